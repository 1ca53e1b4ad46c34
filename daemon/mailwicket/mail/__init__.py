"""Pure reading of mail: bytes in, nouns out, in linear time."""
