import sys

from mobula.ray import main

try:
    sys.exit(main())
except ImportError as error:
    sys.stderr.write(f"error: Ray cannot be used: {error}; `pip install mobula[ray]` brings it\n")
    sys.exit(2)
