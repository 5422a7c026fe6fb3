set(_transfer)
