set(_judgements)
