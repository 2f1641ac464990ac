"""The API described as OpenAPI 3.1: what each address takes and answers, and the document made of it."""
