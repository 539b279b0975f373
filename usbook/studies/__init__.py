"""The five studies: what each paper published and claims, and the machinery of each."""
