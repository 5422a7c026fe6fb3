set(_streams)
