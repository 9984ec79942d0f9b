"""The one style sheet: what theme options can't say. It holds on to keys and test ids, never to generated classes."""

from influence.explorer.parts import theme

PHONE = 640  # pixels of width up to which columns stack

_RULES = """
[data-testid=stMainBlockContainer]{max-width:1180px;margin:0;padding-left:32px;padding-right:32px}
[data-testid=stMain] h1,[data-testid=stSidebar] h1{letter-spacing:-.01em;padding:0}
[data-testid=stMain] h2,[data-testid=stMain] h3{padding:0}
.st-key-title{min-height:40px}
.st-key-title [data-testid=stMarkdownContainer]{margin-bottom:0}
.st-key-title [data-testid=stMarkdown] p{color:var(--muted);margin:0}
.st-key-verdict{margin-bottom:8px}
[data-testid=stCaptionContainer],[data-testid=stCaptionContainer] p{color:var(--muted)!important;opacity:1}
.st-key-verdict h2{font-size:27px;font-weight:650;letter-spacing:-.01em}
[data-testid=stMetricValue],[data-testid=stMarkdownContainer]{font-variant-numeric:tabular-nums}
[data-testid=stSidebarUserContent],[data-testid=stSidebarUserContent]>div{display:flex;flex-direction:column;flex:1}
[data-testid=stSidebarUserContent]>div>[data-testid=stVerticalBlock]{flex:1}
[data-testid=stSidebarContent]{display:flex;flex-direction:column}
[data-testid=stLayoutWrapper]:has(>.st-key-foot){margin-top:auto}
[data-testid=stSidebar] [data-testid=stPageLink-NavLink]{padding:4px 10px}
[class*="st-key-verdict"] h2{font-size:27px;line-height:1.15;letter-spacing:-.01em}
[class*="st-key-door"] [data-testid=stPageLink-NavLink]{padding-left:0}
[class*="st-key-main-link"] [data-testid=stPageLink-NavLink]{background:var(--ink);justify-content:center}
[class*="st-key-main-link"] [data-testid=stPageLink-NavLink] *{color:var(--page)}
@media(min-width:641px){
 [data-testid=stColumn]:has(.st-key-inspector){position:sticky;top:8px;align-self:flex-start}
}
@media(max-width:640px){
 [data-testid=stMainBlockContainer]{padding-left:16px;padding-right:16px;padding-top:56px}
 [data-testid=stColumn]:has(.st-key-answer){order:-1}
 [data-testid=stHorizontalBlock]:has(.st-key-answer){reading-flow:flex-visual}
}
"""

_DARK = "[data-testid=stBaseButton-primary][kind=primary],[data-testid=stBaseButton-primaryFormSubmit]{color:#131619}"


def style_sheet(dark: bool) -> str:
    """The style sheet of a theme, with the colours of `theme.Colours` as variables such as ``--helped-bar``."""
    colours = theme.DARK if dark else theme.LIGHT
    return f"<style>:root{{{colours.variables()}}}{_RULES}{_DARK if dark else ''}</style>"
