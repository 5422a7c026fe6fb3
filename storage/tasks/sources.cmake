set(_tasks)
