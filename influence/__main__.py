"""``python -m influence VERB ...``"""

from influence.cli import main

if __name__ == "__main__":
    main()
