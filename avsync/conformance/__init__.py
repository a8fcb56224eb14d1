"""A kit that runs the Crafter contract against a server: some forty requests, and what each should answer.

For an engineer at Crafter: it needs nothing of avsync but this folder, and it tells what agrees, what differs and
whether avsync copes with that, and the config that would mend other names.
"""
