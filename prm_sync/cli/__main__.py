"""`python -m prm_sync.cli`."""

from prm_sync.cli.program import main

if __name__ == "__main__":
    main()
