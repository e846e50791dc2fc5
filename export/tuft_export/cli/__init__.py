"""The command line `tuft-export`: `main` builds the parser, and each command has a module with an `add_to` function."""
