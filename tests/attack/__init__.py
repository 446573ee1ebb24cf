"""What strangers send, tried against the project: `make attack` (python -m attack, in tests/) and the tests here."""
