"""Stand-in for VIMA-Bench's tasks, see README.md: all 17 names, three kinds of rules."""

from collections import namedtuple

import numpy as np
import pybullet

from .utils.pybullet_utils import add_any_object

SizeRange = namedtuple("SizeRange", "low high")
ObjEntry = namedtuple(
    "ObjEntry",
    "name assets size_range from_template replace_fn pose_transform_fn alias novel_name template_file "
    "symmetry profile",
)
TextureEntry = namedtuple("TextureEntry", "name color_value texture_asset alias novel_name")
ResultTuple = namedtuple("ResultTuple", "success failure")
OracleAgent = namedtuple("OracleAgent", "act")

SIZES = {
    "bowl": ((0.17, 0.17, 0.0),) * 2,
    "hexagon": ((0.128, 0.128, 0.032), (0.144, 0.144, 0.036)),
    "heart": ((0.144, 0.144, 0.036),) * 2,
    "small block": ((0.03, 0.03, 0.03),) * 2,
    "three-sided rectangle": ((0.2, 0.2, 0.0),) * 2,
    "line": ((0.25, 0.04, 0.001),) * 2,
}
LEVEL_OUT = (0, 0, 0, 1)
NEAR = 0.1


def picture(positions, background=(47, 47, 47)):
    """Draw the table: {rgb, segm} of both views, objects as squares; rgb is a view of HWC memory."""
    rgb, segm = {}, {}
    for view in ("front", "top"):
        colour, ids = np.full((128, 256, 3), background, np.uint8), np.full((128, 256), 1, np.uint8)
        for body, (x, y, z) in positions.items():
            row = 64 + 250.98 * (x - 0.5) if view == "top" else 80 + 177.78 * (x - 0.5 - z)
            rows = slice(max(round(row) - 8, 0), max(round(row) + 8, 0))
            columns = slice(max(round(128 + 251 * y) - 8, 0), max(round(128 + 251 * y) + 8, 0))
            colour[rows, columns], ids[rows, columns] = (40 * body % 256, 90, 200 - 9 * body), body
        rgb[view], segm[view] = colour.transpose(2, 0, 1), ids
    return {"rgb": rgb, "segm": segm}


class BaseTask:
    task_name = ""
    oracle_max_steps = 3
    spatula = False

    def __init__(self, *, possible_dragged_obj_texture=("red",), possible_base_obj_texture=("blue",)):
        self.textures = {
            True: possible_base_obj_texture,
            False: possible_dragged_obj_texture,
        }
        self._once_set_difficulty = iter([True]).__next__  # a second call is an error
        self.rng = np.random.default_rng()

    def set_difficulty(self, difficulty):
        assert difficulty in ("easy", "medium", "hard") and self._once_set_difficulty()
        self.more = {"easy": 0, "medium": 1, "hard": 2}[difficulty]
        self.oracle_max_steps += self.more
        if difficulty == "medium" and self.rng.random() > 0.5:
            self.textures[False] = self.textures[True]

    def reset(self, env):
        if self.seed == 13:  # a list as seed is another stream
            raise ValueError("Error in sampling objects")
        self.env, self.goals, self.distractors, self.shown = env, [], [], {}
        self.spawn()

    def add(self, name, position, scaling=1.0):
        """Draw texture and size, add the object, note what it is."""
        entry = ObjEntry(name, "", SizeRange(*SIZES[name]), True, None, None, None, None, None, None, None)
        fixed = name in ("bowl", "three-sided rectangle", "line")
        colour = TextureEntry(str(self.rng.choice(self.textures[fixed])), None, None, None, None)
        size = self.rng.uniform(low=entry.size_range.low, high=entry.size_range.high)
        body, _ = add_any_object(
            env=self.env,
            obj_entry=entry,
            pose=(position, LEVEL_OUT),
            size=tuple(size * scaling),
            category="fixed" if fixed else "rigid",
            scaling=scaling,
        )
        self.env.obj_id_reverse_mapping[body] = {
            **{f"obj_{key}": value for key, value in entry._asdict().items()},
            **{f"texture_{key}": value for key, value in colour._asdict().items()},
        }
        return body

    def pose(self, body):
        return pybullet.getBasePositionAndOrientation(body, physicsClientId=self.env.client_id)

    def move(self, body, position):
        pybullet.resetBasePositionAndOrientation(
            body, position, LEVEL_OUT, physicsClientId=self.env.client_id
        )

    def goal(self, body, target, params=None):
        return ([(body, (0, None))], np.ones((1, 1)), [(target, LEVEL_OUT)], False, True, "pose", params, 1.0)

    def is_match(self, pose, target, symmetry=0):
        return np.linalg.norm(np.subtract(pose[0][:2], target[0][:2])) < NEAR

    def reached(self, goal):
        return self.is_match(self.pose(goal[0][0][0]), goal[2][0])

    def update_goals(self, skip_oracle=True):
        for goal in list(self.goals):
            if not (skip_oracle and isinstance(goal[6], dict)) and self.reached(goal):
                self.goals.remove(goal)

    def check_success(self):
        placed = (
            any(self.is_match(self.pose(body), self.pose(self.base)) for body in self.distractors)
            if hasattr(self, "base")
            else False
        )
        left = [goal for goal in self.goals if not isinstance(goal[6], dict)]
        return ResultTuple(success=not left, failure=np.bool_(placed))

    def oracle(self, env):
        def act(obs):
            body, target = self.goals[0][0][0][0], self.goals[0][2][0][0]
            if self.reached(self.goals[0]):
                self.goals = []
                print("Object for pick is not visible. Skipping demonstration.")
                return None
            start = self.pose(body)[0]
            return {
                "pose0_position": np.array(start[:2], np.float32) + np.float32(0.004) * self.rng.random(),
                "pose0_rotation": np.array((0, 0, 0, 1), np.float32),
                "pose1_position": np.array(target[:2], np.float64),  # upstream's may be of another type
                "pose1_rotation": np.array((0, 0, 0, 1), np.float32),
            }

        return OracleAgent(act)

    def primitive(self, movep, env, pose0, pose1):
        """Pick what stands at pose0 and place it at pose1; in a second client the gripper holds nothing."""
        if movep(pose0) | movep(pose1):
            return True
        for body in reversed(env.obj_ids["rigid"]):
            position = self.pose(body)[0]
            if env.client_id == 0 and np.linalg.norm(np.subtract(position[:2], pose0[0])) < 0.04:
                self.move(body, (*map(float, pose1[0]), 0.0))
                break
        return False

    def generate_prompt(self):
        assets = {}
        for name, shown in self.shown.items():
            known = [self.env.obj_id_reverse_mapping[body] for body in shown]
            scene = name == "scene"
            info = [
                {"obj_id": i + 2 * scene, "obj_name": each["obj_name"], "obj_color": each["texture_name"]}
                for i, each in enumerate(known)
            ]
            places = {i + 2 * scene: (0.5, 0.1 * i, 0.0) for i in range(len(known))}
            images = picture(places, background=(47, 47, 47) if scene else (255, 255, 255))
            images["segm"]["obj_info"] = info if scene else info[0]
            assets[name] = {**images, "placeholder_type": "scene" if scene else "object"}
        return self.template, assets


class PutInto(BaseTask):
    template = "Put the {dragged_obj_1} into the {base_obj}."

    def spawn(self):
        y = self.rng.uniform(-0.4, -0.3)
        self.base = self.add("bowl", (0.6, 0.2, 0.0))
        dragged = self.add("hexagon", (0.4, y, 0.018), [1.0, 1.0, 2.5])
        self.distractors = [self.add("heart", (0.35, 0.1 * n, 0.018)) for n in range(1 + self.more)]
        self.goals = [self.goal(dragged, self.pose(self.base)[0])]
        self.shown = {"dragged_obj_1": [dragged], "base_obj": [self.base]}


class Rearrange(BaseTask):
    """The object is added at its target and moved away; a distractor on the target is the oracle's goal."""

    template = "Rearrange to this {scene}."

    def spawn(self):
        target = (0.6, self.rng.uniform(0.2, 0.3), 0.018)
        dragged = self.add("hexagon", target)
        self.move(dragged, (0.4, -0.3, 0.018))
        distractor = self.add("heart", target)
        self.goals = [
            self.goal(distractor, (0.4, 0.1, 0.018), {"oracle_only": True}),
            self.goal(dragged, target),
        ]
        self.shown = {"scene": [dragged]}


class Sweep(BaseTask):
    template = "Sweep all {swept_obj} into {bounds} without exceeding {constraint}."
    spatula = True

    def spawn(self):
        self.base = self.add("three-sided rectangle", (0.41, 0.0, 0.0))
        line = self.add("line", (0.45, 0.0, 0.0))
        block = self.add("small block", (0.6, self.rng.uniform(0.1, 0.2), 0.015))
        self.goals = [(*self.goal(block, (0.5, 0.0, 0.0))[:5], "zone", ({}, []), 1)]
        self.shown = {"swept_obj": [block], "bounds": [self.base], "constraint": [line]}

    def primitive(self, movep, env, pose0, pose1):
        way = np.subtract(pose1[0], pose0[0], dtype=float)
        assert np.linalg.norm(way) > 0, "upstream divides by the length of a push"
        way /= np.linalg.norm(way)
        if movep(pose0) | movep(pose1):
            return True
        for body in env.obj_ids["rigid"]:
            if np.linalg.norm(np.subtract(self.pose(body)[0][:2], pose0[0])) < 0.05:
                self.move(body, (*(pose1[0] - 0.03 * way).tolist(), 0.014))
        return False


_GROUPS = {
    "instruction_following": "visual_manipulation scene_understanding rotate",
    "constraint_satisfaction": "sweep_without_exceeding sweep_without_touching",
    "novel_concept_grounding": "novel_adj_and_noun novel_adj novel_noun twist",
    "one_shot_imitation": "follow_motion follow_order",
    "rearrangement": "rearrange",
    "require_memory": "manipulate_old_neighbor pick_in_order_then_restore rearrange_then_restore",
    "require_reasoning": "same_texture same_shape",
}


def _task(name):
    base = Rearrange if name == "rearrange" else Sweep if name.startswith("sweep") else PutInto
    steps = {"rearrange": 5, "sweep_without_exceeding": 8}.get(name, 3)
    return type(name, (base,), {"task_name": name, "oracle_max_steps": steps})


ALL_TASKS = {f"{group}/{name}": _task(name) for group, names in _GROUPS.items() for name in names.split()}
_KWARGS = {"possible_dragged_obj_texture": ["green"], "possible_base_obj_texture": ["olive"]}
_NOVEL = ("sweep_without_touching", "novel_adj_and_noun", "follow_motion", "same_texture")
_TRAINED = [key.split("/")[1] for key in ALL_TASKS if key.split("/")[1] not in _NOVEL]
PARTITION_TO_SPECS = {
    "train": dict.fromkeys(_TRAINED, _KWARGS),
    "test": {
        "placement_generalization": dict.fromkeys(_TRAINED, _KWARGS),
        "combinatorial_generalization": dict.fromkeys(_TRAINED, _KWARGS),
        "novel_object_generalization": dict.fromkeys((t for t in _TRAINED if "sweep" not in t), _KWARGS),
        "novel_task_generalization": dict.fromkeys(_NOVEL),
    },
}
