"""``python -m influence VERB ...``"""

from influence.cli.main import main
from influence.waiting import sleep_while_waiting

if __name__ == "__main__":
    sleep_while_waiting()
    main()
