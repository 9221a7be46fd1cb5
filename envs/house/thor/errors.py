"""What an action can fail with, in AI2-THOR's vocabulary.

Source: the error codes of ai2thor 5.0; a Controller turns the last four into ValueError.
"""

UNDEFINED = ""
RECEPTACLE_NOT_OPEN = "ReceptacleNotOpen"
RECEPTACLE_FULL = "ReceptacleFull"
NOT_ALLOWED_IN_RECEPTACLE = "ObjectNotAllowedInReceptacle"
NOT_IN_INVENTORY = "ObjectNotInInventory"
NOT_VISIBLE = "ObjectNotVisible"
NOT_PICKUPABLE = "ObjectNotPickupable"
RECEPTACLE_NOT_VISIBLE = "ReceptacleNotVisible"
INVENTORY_FULL = "InventoryFull"
LOOK_UP_LIMIT = "LookUpCantExceedMax"
LOOK_DOWN_LIMIT = "LookDownCantExceedMin"
INVALID_ACTION = "InvalidAction"
MISSING_ARGUMENTS = "MissingArguments"
INVALID_ARGUMENT = "InvalidArgument"


class ActionError(Exception):
    """An action failed; nothing has changed."""

    def __init__(self, message: str, code: str = UNDEFINED) -> None:
        super().__init__(message)
        self.code = code
