set(_quality)
