"""How an episode walks: metrics of its gait, and a class in one word.

`analyse` turns a `Trajectory` into a `Gait`, `summarise` condenses many gaits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bipedal.evaluation.trajectory import Bools, Floats, Trajectory
from bipedal.physics.constants import GRAVITY, LEG_LENGTH, ROBOT_MASS, TIMESTEP


class GaitClass(StrEnum):
    """One word for an episode, in the order in which `classify` asks."""

    FALLEN = "fallen"
    KNEELING = "kneeling/crawling"
    STANDING = "standing"
    SHUFFLING = "shuffling"
    RUNNING = "running"
    WALKING = "walking"


class Posture(StrEnum):
    """How a robot carries itself, in the order in which `Gait.posture` asks."""

    KNEELING = "kneeling/crawling"
    CROUCHED = "crouched"
    UPRIGHT = "upright"


class Legwork(StrEnum):
    """How the two legs share the work, in the order in which `Gait.legwork` asks."""

    HOPPING = "hopping"
    LIMPING = "limping"
    ALTERNATING = "alternating"


@dataclass(frozen=True)
class Thresholds:
    """Where one class ends and the next begins: the only place that holds these numbers."""

    # Those of posture and legwork were set between policies that were labelled by eye, see
    # results/gait-labels.csv and docs/gait.md.
    #
    # A lower leg lies on the ground if it is further than this from the vertical, rad, and both its
    # ends are lower than this over the terrain, m. A leg is 1.13 m long and 0.21 m wide, and the
    # knee of an upright robot stays above 0.7 m.
    lying_angle: float = math.radians(55.0)
    lying_height: float = 0.45
    # Kneeling at or above this share of timesteps with a lower leg lying. Labelled by eye,
    # kneelers have 0.30 and more, the others 0.15 and less.
    lying_share: float = 0.20
    # A knee is down below this height of its joint over the terrain, m: half the width of an
    # upper leg (0.133) and a margin for slopes.
    knee_height: float = 0.15
    # Crawling at or above this share of timesteps with a knee down or an upper leg on the ground,
    # whatever the lower legs do.
    knee_down_share: float = 0.30
    # Crouched below this height of the hull over the ground, m; on straight legs it is 2.54.
    upright_height: float = 2.0
    # Hopping where the touchdowns of the two feet are closer than this, as a share of a stride.
    hopping_phase: float = 0.125
    # Limping below either symmetry: one leg always trails behind the other, or bears the robot for
    # less than a third as long.
    limping_step_symmetry: float = 0.45
    limping_symmetry: float = 0.50
    # Standing below this Froude number: 0.1 m/s, one leg length in 23 s.
    standing_froude: float = 0.1**2 / (GRAVITY * LEG_LENGTH)
    # Shuffling (creeping) below this Froude number: 0.48 m/s for this robot, 0.3 m/s for a
    # human, less than the 0.4 m/s that gets a patient out of the house (Perry et al. 1995).
    creeping_froude: float = 0.01
    # Shuffling (dragging) above this share of a foot's travel made on the ground. Calibration:
    # the heuristic's completed episodes have 0.03, a scripted gait that drags one leg 0.9 to 1.
    slide_share: float = 0.50
    # Shuffling above this share of double support, twice that of a human walk (0.2 to 0.25);
    # not for hops on both feet, which running_flight_fraction tells.
    double_support_fraction: float = 0.50
    # Shuffling (tiny steps) below this step length in leg lengths; humans walk with 0.6 to 0.9.
    step_length: float = 0.20
    # Walking at or above, running below: Alexander 1989, "Optimization and gaits in the
    # locomotion of vertebrates". A mean below 0.5 always implies flight phases. Animals change
    # over near a Froude number of 0.5, which therefore is reported but decides nothing.
    running_duty_factor: float = 0.50
    # Running, too, above this flight fraction (a run has an aerial phase, a walk none): for hops
    # and skips that combine long flight with double support. Calibration: the
    # heuristic's completed episodes have 0.01 to 0.02, scripted two-footed hops 0.28 to 0.30.
    running_flight_fraction: float = 0.10


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Gait:
    """Metrics of one episode; NaN where the episode does not define a value.

    A footfall is a touchdown of a foot after debouncing: gaps of one timestep between contacts
    are filled, then contacts of one timestep dropped. Contact at the first timestep is not a
    footfall. The shares of time use the contacts as they are.
    """

    fell: bool
    speed: float
    """m/s, mean forward speed of the hull."""
    froude_number: float
    """speed^2 / (GRAVITY * LEG_LENGTH); 0.5 is where animals change from walk to run."""
    hull_height: float
    """m, median height of the hull over the terrain; STANDING_HEIGHT on straight legs."""
    duty_factor: float
    """Share of time a foot is on the ground, mean of the two feet."""
    flight_fraction: float
    """Share of time no foot is on the ground (an upper leg may be)."""
    double_support_fraction: float
    """Share of time both feet are on the ground."""
    upper_contact_share: float
    """Share of time at least one upper leg is on the ground."""
    knee_down_share: float
    """Share of time an upper leg is on the ground or a knee lower than THRESHOLDS.knee_height."""
    lying_share: float
    """Share of time at least one lower leg lies on the ground."""
    slide_share: float
    """Share of a foot's horizontal travel made while on the ground, the worse foot's: 0 to 1."""
    limb_phase: float
    """Touchdown of foot 1 as a fraction of foot 0's stride, circular mean: 0.5 alternates."""
    step_frequency: float
    """Hz, footfalls of both feet per second of the episode."""
    step_length: float
    """m, mean forward distance from one footfall to the next, whichever feet they are of."""
    symmetry: float
    """1 - |a - b| / (a + b) of the feet's stance times: 1 is even, 0 uses one foot only."""
    step_symmetry: float
    """1 - |a - b| / (|a| + |b|) of the step lengths that end on each foot: 0 if one trails."""
    cost_of_transport: float
    """Mechanical work of the motors, sum |torque * speed| TIMESTEP, over mass * gravity * distance.

    NaN for an episode that did not come at least one LEG_LENGTH forward.
    """

    @property
    def gait_class(self) -> GaitClass:
        """The class of these metrics."""
        return classify(self)

    @property
    def posture(self) -> Posture:
        """What a person would say of the robot's height and knees."""
        limit = THRESHOLDS
        if self.lying_share >= limit.lying_share or self.knee_down_share >= limit.knee_down_share:
            return Posture.KNEELING
        return Posture.UPRIGHT if self.hull_height >= limit.upright_height else Posture.CROUCHED

    @property
    def legwork(self) -> Legwork:
        """What a person would say of the rhythm of the legs; NaN counts as limping."""
        limit = THRESHOLDS
        if min(self.limb_phase, 1.0 - self.limb_phase) < limit.hopping_phase:
            return Legwork.HOPPING
        even = self.symmetry >= limit.limping_symmetry
        passing = self.step_symmetry >= limit.limping_step_symmetry
        return Legwork.ALTERNATING if even and passing else Legwork.LIMPING


def classify(gait: Gait) -> GaitClass:
    """The first class that fits, by `THRESHOLDS`; a comparison with NaN does not fit."""
    limit = THRESHOLDS
    flies = gait.flight_fraction > limit.running_flight_fraction
    if gait.fell:
        return GaitClass.FALLEN
    if gait.posture is Posture.KNEELING:
        return GaitClass.KNEELING
    if gait.froude_number < limit.standing_froude:
        return GaitClass.STANDING
    if (
        gait.froude_number < limit.creeping_froude
        or gait.slide_share > limit.slide_share
        or (gait.double_support_fraction > limit.double_support_fraction and not flies)
        or gait.step_length < limit.step_length * LEG_LENGTH
    ):
        return GaitClass.SHUFFLING
    if gait.duty_factor < limit.running_duty_factor or flies:
        return GaitClass.RUNNING
    return GaitClass.WALKING


def analyse(trajectory: Trajectory) -> Gait:
    """Measure the gait of one episode."""
    contact = trajectory.foot_contact
    duration = len(contact) * TIMESTEP
    distance = float(trajectory.hull_position[-1, 0]) - trajectory.start_x
    speed = distance / duration
    stance = contact.mean(axis=0)
    touchdowns = (_touchdowns(contact[:, 0]), _touchdowns(contact[:, 1]))
    step_length, step_symmetry = _steps(touchdowns, trajectory.foot_position[:, :, 0])
    power = np.abs(trajectory.joint_torques * trajectory.joint_speeds)
    work = float(power.sum()) * TIMESTEP
    knee_down = trajectory.upper_contact | (trajectory.knee_height < THRESHOLDS.knee_height)
    return Gait(
        fell=trajectory.fell,
        speed=speed,
        froude_number=speed**2 / (GRAVITY * LEG_LENGTH),
        hull_height=float(np.median(trajectory.hull_position[:, 1] - trajectory.ground_height)),
        duty_factor=float(stance.mean()),
        flight_fraction=float((~contact).all(axis=1).mean()),
        double_support_fraction=float(contact.all(axis=1).mean()),
        upper_contact_share=float(trajectory.upper_contact.any(axis=1).mean()),
        knee_down_share=float(knee_down.any(axis=1).mean()),
        lying_share=float(_lying(trajectory).any(axis=1).mean()),
        slide_share=_slide_share(contact, trajectory.foot_position[:, :, 0]),
        limb_phase=_limb_phase(*touchdowns),
        step_frequency=(len(touchdowns[0]) + len(touchdowns[1])) / duration,
        step_length=step_length,
        symmetry=_symmetry(float(stance[0]), float(stance[1])),
        step_symmetry=step_symmetry,
        cost_of_transport=(
            work / (ROBOT_MASS * GRAVITY * distance) if distance >= LEG_LENGTH else math.nan
        ),
    )


def summarise(gaits: Sequence[Gait]) -> dict[str, object]:
    """Condense the gaits of several episodes, ready for JSON.

    Returns:
        "class": the most common class, of equals the one `GaitClass` names first;
        "classes": the share of episodes of every class;
        "posture", "postures", "legwork", "legworks": the same of these;
        then the mean of each metric over the episodes that define it (`limb_phase`: circular
        mean), None where none does.

    Raises:
        ValueError: no gaits.
    """
    if not gaits:
        raise ValueError("a summary needs at least one gait")
    summary: dict[str, object] = {
        **_shares("class", "classes", GaitClass, [gait.gait_class for gait in gaits]),
        **_shares("posture", "postures", Posture, [gait.posture for gait in gaits]),
        **_shares("legwork", "legworks", Legwork, [gait.legwork for gait in gaits]),
    }
    for field in fields(Gait):
        if field.name == "fell":  # the share of "fallen" says it
            continue
        values = np.array([getattr(gait, field.name) for gait in gaits], dtype=np.float64)
        values = values[np.isfinite(values)]
        if field.name == "limb_phase":
            mean = _circular_mean(values)
        else:
            mean = float(values.mean()) if len(values) else math.nan
        summary[field.name] = mean if math.isfinite(mean) else None
    return summary


def _shares(
    most_common: str, shares: str, words: type[StrEnum], found: Sequence[StrEnum]
) -> dict[str, object]:
    """The most common word and the share of each, under two names."""
    counts = Counter(found)
    return {
        most_common: max(words, key=lambda word: counts[word]).value,
        shares: {word.value: counts[word] / len(found) for word in words},
    }


def _lying(trajectory: Trajectory) -> Bools:
    """Which lower legs lie on the ground, (T, 2): far from upright, and both ends near it."""
    limit = THRESHOLDS.lying_height
    near = (trajectory.knee_height < limit) & (trajectory.foot_height < limit)
    return near & (np.abs(trajectory.leg_angle) > THRESHOLDS.lying_angle)


def _touchdowns(contact: Bools) -> NDArray[np.intp]:
    """Timesteps of one foot's footfalls. contact (T,) -> (N,), ascending; see `Gait`."""
    padded = np.pad(contact, 1, mode="edge")
    closed = contact | (padded[:-2] & padded[2:])
    padded = np.pad(closed, 1, mode="edge")
    debounced = closed & (padded[:-2] | padded[2:])
    return np.flatnonzero(debounced[1:] & ~debounced[:-1]) + 1


def _steps(touchdowns: Sequence[NDArray[np.intp]], foot_x: Floats) -> tuple[float, float]:
    """Mean step length in m, and the symmetry of the steps that end on each foot.

    touchdowns: two of (N,); foot_x (T, 2) in m.
    """
    feet = np.repeat([0, 1], [len(touchdowns[0]), len(touchdowns[1])])
    times = np.concatenate(touchdowns)
    order = np.argsort(times, kind="stable")
    feet, times = feet[order], times[order]
    lengths = np.diff(foot_x[times, feet])
    if len(lengths) == 0:
        return math.nan, math.nan
    ends = [lengths[feet[1:] == foot] for foot in (0, 1)]
    if len(ends[0]) == 0 or len(ends[1]) == 0:
        return float(lengths.mean()), math.nan
    return float(lengths.mean()), _symmetry(float(ends[0].mean()), float(ends[1].mean()))


def _symmetry(first: float, second: float) -> float:
    """1 where both are equal, 0 where one is zero or the signs differ, NaN where both are zero."""
    total = abs(first) + abs(second)
    return 1 - abs(first - second) / total if total > 0 else math.nan


def _limb_phase(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    """Circular mean phase, in [0, 1), of the second foot's touchdowns in the first's strides."""
    stride = np.searchsorted(first, second, side="right") - 1
    inside = (stride >= 0) & (stride < len(first) - 1)
    start, end = first[stride[inside]], first[stride[inside] + 1]
    return _circular_mean((second[inside] - start) / (end - start))


def _circular_mean(phases: Floats) -> float:
    """Circular mean, in [0, 1), of fractions of a cycle; NaN for none or for balanced ones."""
    if len(phases) == 0:
        return math.nan
    mean = complex(np.exp(2j * np.pi * phases).mean())
    if abs(mean) < 1e-9:
        return math.nan
    phase = math.atan2(mean.imag, mean.real) / (2 * math.pi) % 1.0
    return phase if phase < 1.0 else 0.0  # -1e-17 % 1.0 is 1.0


def _slide_share(contact: Bools, foot_x: Floats) -> float:
    """Share of its horizontal travel that the worse foot makes on the ground; NaN if none moves.

    contact (T, 2), foot_x (T, 2) in m. A timestep counts as on the ground if the foot touches
    at both its ends. A leg that pivots over its standing foot adds only a few centimetres.
    """
    travel = np.abs(np.diff(foot_x, axis=0))
    sliding = (travel * (contact[1:] & contact[:-1])).sum(axis=0)
    total = travel.sum(axis=0)
    shares = sliding[total > 0] / total[total > 0]
    return float(shares.max()) if len(shares) else math.nan
