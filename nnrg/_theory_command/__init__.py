"""``nnrg theory``: its words, what each theory does with them, what is printed and written."""
