"""What pages share: tiles, lists, drawings, maps, pictures, colours."""
