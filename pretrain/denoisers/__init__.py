"""The mixture of denoisers: what is taken out of a text, a picture or a sound, to be written again."""
