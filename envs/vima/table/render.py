"""Pictures of the tabletop through MuJoCo's classic renderer: flat light, true colours, exact segmentation.

Unusual: one MuJoCo model holds only meshes and materials and serves every scene of the process; a picture
is drawn from a list of things by filling the geom buffer directly, so nothing is compiled or uploaded again
between episodes. Textures are uploaded when first worn, and sampled without filtering as the benchmark's
software rasteriser does. All views are drawn side by side, colours and ids at once: a pixel's fourth byte is
the id plus one, so a picture is drawn and read back a single time. Refuses to know physics, tasks and what a
body is beyond its parts, texture, pose and id.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs import gl  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.vima.table.camera import CAMERAS, EYE_DISTANCE_M, FAR_M, HEIGHT, NEAR_M, WIDTH, OrthographicCamera
from envs.vima.things.meshes import Part, meshes
from envs.vima.things.textures import DARK, GRAY, TEXTURES, texture_image

MAX_GEOMS = 600
WHITE_PAPER = np.uint32(0xFFFFFF)
"""A pixel as `Renderer.render` gives them: white, with the id of nothing."""
PLANE_ID, MAT_ID = 0, 1

_AMBIENT, _DIFFUSE = 0.594, 0.35
_TOWARDS_LIGHT = np.array([-0.18, 0.163, 0.97])
_PLAIN = "plain"
"""What wears no texture wears this one, a white pixel."""
_WHITE, _MAT_COLOUR = (1.0, 1.0, 1.0, 1.0), (0.198, 0.198, 0.198, 1.0)

# OpenGL's fixed pipeline operation by operation, so that colours are the same to the bit; the id comes in the
# place of the gloss, which no light here shows
_VERTEX = """#version 120
varying vec4 lit;
void main() {
    gl_Position = ftransform();
    gl_TexCoord[0] = gl_MultiTexCoord0;
    mat4 inverse = gl_ModelViewMatrixInverse;
    vec3 normal = normalize(vec3(
        dot(gl_Normal, inverse[0].xyz), dot(gl_Normal, inverse[1].xyz), dot(gl_Normal, inverse[2].xyz)
    ));
    float towards = max(dot(normal, normalize(gl_LightSource[0].position.xyz)), 0.0);
    lit = gl_FrontLightModelProduct.sceneColor + gl_FrontLightProduct[0].ambient
        + towards * gl_FrontLightProduct[0].diffuse;
    lit = vec4(clamp(lit.rgb, 0.0, 1.0), gl_FrontMaterial.specular.r);
}
"""
_FRAGMENT = """#version 120
uniform sampler2D picture;
varying vec4 lit;
void main() {
    gl_FragColor = vec4(lit.rgb * texture2D(picture, gl_TexCoord[0].st).rgb, lit.a);
}
"""


@dataclass(frozen=True)
class Drawable:
    """Something to draw: parts in a body frame, its texture (or a plain colour), its pose and its
    segmentation id.
    """

    parts: Sequence[Part]
    texture: str | None
    position: np.ndarray  # (3,) metres
    rotation: np.ndarray  # (3, 3)
    id: int
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    colour: tuple[float, float, float, float] = _WHITE


_IDENTITY = np.eye(3)
TABLE: tuple[Drawable, ...] = (
    Drawable((Part("cube", (3.0, 4.0, 0.1)),), None, np.array([0.5, 0.0, -0.051]), _IDENTITY, PLANE_ID),
    Drawable(
        (Part("cube", (0.501, 0.999, 0.0004)),),
        None,
        np.array([0.5, 0.0, -0.0008]),
        _IDENTITY,
        MAT_ID,
        colour=_MAT_COLOUR,
    ),
)
"""The light plane and the dark mat."""


class Renderer:
    """An OpenGL context with all meshes in it: one per process and thread, as OpenGL wants it."""

    def __init__(self) -> None:
        self._texture_id = {name: i for i, name in enumerate((_PLAIN, *TEXTURES, *DARK, GRAY))}
        self._meshes = {name: i for i, name in enumerate(meshes())}
        self._model = _asset_model(self._texture_id)
        self._context_gl = gl.open_context(2 * WIDTH, 2 * HEIGHT)
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        _use_shaders()
        self._uploaded = {_PLAIN}
        self._aimed: tuple | None = None
        self._scene = mujoco.MjvScene(self._model, MAX_GEOMS)
        self._mesh_frames = [_mesh_frame(self._model, i) for i in range(self._model.nmesh)]
        self._prepare_scene()

    def _prepare_scene(self) -> None:
        scene = self._scene
        flags = mujoco.mjtRndFlag
        for flag in (
            flags.mjRND_SHADOW,
            flags.mjRND_REFLECTION,
            flags.mjRND_SKYBOX,
            flags.mjRND_FOG,
            flags.mjRND_HAZE,
        ):
            scene.flags[flag] = 0
        scene.nlight = 1
        light = scene.lights[0]
        light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        light.headlight = 0
        light.castshadow = 0
        light.dir = -_TOWARDS_LIGHT / np.linalg.norm(_TOWARDS_LIGHT)
        light.pos = 10 * _TOWARDS_LIGHT
        light.attenuation = (1.0, 0.0, 0.0)
        light.ambient = (_AMBIENT,) * 3
        light.diffuse = (_DIFFUSE,) * 3
        light.specular = (0.0,) * 3
        for geom in scene.geoms:
            mujoco.mjv_initGeom(
                geom,
                mujoco.mjtGeom.mjGEOM_MESH,
                np.ones(3),
                np.zeros(3),
                _IDENTITY.ravel(),
                np.ones(4, np.float32),
            )
            geom.objtype = mujoco.mjtObj.mjOBJ_GEOM
            geom.category = mujoco.mjtCatBit.mjCAT_DYNAMIC
            geom.texcoord = 1
            geom.specular = 0.0
            geom.shininess = 0.0
            geom.emission = 0.0

    def render(
        self,
        things: Sequence[Drawable],
        cameras: Sequence[OrthographicCamera],
        height: int = HEIGHT,
        width: int = WIDTH,
    ) -> np.ndarray:
        """Draw things with one camera or two: uint32 (height, cameras × width), side by side, a pixel being
        red + 256 green + 256² blue + 256³ (id + 1); 0 where there is nothing.
        """
        self._begin(things, cameras, height, width)
        wide = width * len(cameras)
        mujoco.mjr_render(mujoco.MjrRect(0, 0, wide, height), self._scene, self._context)
        return gl.read_pixels(height, wide).view("<u4")[..., 0]

    def depth(
        self, things: Sequence[Drawable], cameras: Sequence[OrthographicCamera], height: int, width: int
    ) -> list[np.ndarray]:
        """Measure how far things are from the eye of each camera, one or two, along its direction: float32
        (height, width) in metres, 4 where there is nothing.
        """
        count = len(cameras)
        self._begin(things, cameras, height, width)
        depth = np.empty((height, width * count), np.float32)  # 0 at the near plane, 1 at the far one
        whole = mujoco.MjrRect(0, 0, width * count, height)
        mujoco.mjr_render(whole, self._scene, self._context)
        mujoco.mjr_readPixels(None, depth, whole, self._context)
        depth = NEAR_M + (FAR_M - NEAR_M) * depth[::-1]  # without perspective, depth is linear
        return [depth[:, i * width : (i + 1) * width] for i in range(count)]

    def _begin(
        self, things: Sequence[Drawable], cameras: Sequence[OrthographicCamera], height: int, width: int
    ) -> None:
        self._context_gl.enter()
        wide = width * len(cameras)
        if height > self._context.offHeight or wide > self._context.offWidth:
            wide, high = max(wide, self._context.offWidth), max(height, self._context.offHeight)
            mujoco.mjr_resizeOffscreen(wide, high, self._context)
        self._aim(tuple(cameras), height, width)
        self._fill(things)

    def _aim(self, cameras: tuple[OrthographicCamera, ...], height: int, width: int) -> None:
        """Set the scene's two eyes: side by side they draw two pictures at once, as for a stereo screen."""
        if self._aimed == (cameras, height, width):
            return
        for eye, camera in zip(self._scene.camera, cameras * 2, strict=False):
            eye.pos = np.asarray(camera.centre) - EYE_DISTANCE_M * np.asarray(camera.forward)
            eye.forward = camera.forward
            eye.up = camera.up
            eye.orthographic = 1
            eye.frustum_near, eye.frustum_far = NEAR_M, FAR_M
            eye.frustum_center = 0.0
            eye.frustum_top, eye.frustum_bottom = camera.extent / 2, -camera.extent / 2
            eye.frustum_width = camera.extent / 2 * width / height
        stereo = mujoco.mjtStereo
        self._scene.stereo = stereo.mjSTEREO_SIDEBYSIDE if len(cameras) == 2 else stereo.mjSTEREO_NONE
        self._aimed = (cameras, height, width)

    def _fill(self, things: Sequence[Drawable]) -> None:
        used = 0
        geoms = self._scene.geoms
        for thing in things:
            worn = thing.texture or _PLAIN
            if worn not in self._uploaded:
                self._upload(worn)
            texture = self._texture_id[worn]
            for part in thing.parts:
                geom = geoms[used]
                mesh = self._meshes[part.mesh]
                offset, frame = self._mesh_frames[mesh]
                stretch = thing.rotation * np.asarray(thing.scale)  # R · diag(scale)
                local = stretch * np.asarray(part.scale)
                geom.pos = thing.position + stretch @ np.asarray(part.offset) + local @ offset
                geom.mat = local @ frame
                geom.dataid = 2 * mesh
                geom.matid = texture
                geom.rgba = thing.colour
                geom.specular = (thing.id + 1) / 255
                used += 1
        self._scene.ngeom = used

    def _upload(self, name: str) -> None:
        from OpenGL import GL

        image = texture_image(name)
        GL.glBindTexture(GL.GL_TEXTURE_2D, int(self._context.texture[self._texture_id[name]]))
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        # rows are stored from the bottom up, so that v = 0 is the picture's lower edge
        flipped = np.ascontiguousarray(image[::-1])
        rows, columns = image.shape[:2]
        GL.glTexImage2D(
            GL.GL_TEXTURE_2D, 0, GL.GL_RGB, columns, rows, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE, flipped
        )
        for parameter in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, parameter, GL.GL_NEAREST)
        for parameter in (GL.GL_TEXTURE_WRAP_S, GL.GL_TEXTURE_WRAP_T):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, parameter, GL.GL_REPEAT)
        self._uploaded.add(name)


def _use_shaders() -> None:
    """Let the current context draw with our shaders, and write what they say without blending."""
    from OpenGL import GL
    from OpenGL.GL import shaders

    stages = ((_VERTEX, GL.GL_VERTEX_SHADER), (_FRAGMENT, GL.GL_FRAGMENT_SHADER))
    GL.glUseProgram(shaders.compileProgram(*(shaders.compileShader(*stage) for stage in stages)))
    GL.glEnable(GL.GL_COLOR_LOGIC_OP)  # which switches blending off, whatever MuJoCo sets
    GL.glLogicOp(GL.GL_COPY)


def _asset_model(textures: dict[str, int]) -> mujoco.MjModel:
    """Compile the model that holds every mesh and one material per texture (of one pixel, filled later)."""
    spec = mujoco.MjSpec()
    for name, mesh in meshes().items():
        asset = spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        faces = np.arange(len(mesh.corners)).tolist()
        asset.uservert = mesh.corners.ravel().tolist()
        asset.usernormal = mesh.normals.ravel().tolist()
        asset.usertexcoord = mesh.texture.ravel().tolist()
        asset.userface = asset.userfacenormal = asset.userfacetexcoord = faces
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, contype=0, conaffinity=0)
    for name in textures:
        spec.add_texture(
            name=name,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            rgb1=(1, 1, 1),
            width=1,
            height=1,
        )
        material = spec.add_material(name=name)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 1
    spec.visual.global_.offheight, spec.visual.global_.offwidth = HEIGHT, 2 * WIDTH
    return spec.compile()


def _mesh_frame(model: mujoco.MjModel, mesh: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the origin and axes of the inertial frame the compiler moved and turned a mesh into."""
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[mesh])
    return model.mesh_pos[mesh].copy(), rotation.reshape(3, 3)


@functools.cache
def _renderer_of(process: int, thread: int) -> Renderer:
    return Renderer()


def renderer() -> Renderer:
    """Return the calling thread's renderer, opened on first use (again after a fork).

    Raises GraphicsError when no OpenGL context can be opened.
    """
    return _renderer_of(os.getpid(), threading.get_ident())


@functools.lru_cache(maxsize=16)
def agent_cameras(
    views: tuple[str, ...], height: int = HEIGHT, width: int = WIDTH
) -> tuple[OrthographicCamera, ...]:
    return tuple(CAMERAS[view].fitted(height, width) for view in views)
