import sys

from phix.cli import main


sys.exit(main())
