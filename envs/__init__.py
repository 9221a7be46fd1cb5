"""The simulators, as gymnasium environments; importing this package registers their ids and loads none of
them.
"""

from envs.vima.registration import register_ids

register_ids()
