"""The command line `tuft`: `main` builds the parser, and each command has a module with an `add_to` function."""
