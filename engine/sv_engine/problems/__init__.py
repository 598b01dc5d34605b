"""Problems, and the programs and tests of files and completions."""
