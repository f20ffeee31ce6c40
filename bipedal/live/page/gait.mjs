/**
 * How a robot walks, in a word: the rules of Python's `evaluation/gait.py` over a few seconds.
 * @module
 */

/** @typedef {import("./record.mjs").Moment} Moment */

const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
const share = (moments, test) => mean(moments.map((moment) => Number(test(moment))));

/**
 * @param {Moment[]} moments one after the other
 * @param {object} limits `Thresholds` of gait.py, and timestep, gravity and leg_length
 * @param {boolean} fell
 * @returns {string} empty where they are too few to tell
 */
export function classifyGait(moments, limits, fell) {
  if (fell) return "fallen";
  if (moments.length < 2) return "";
  if (isKneeling(moments, limits)) return "kneeling/crawling";
  const span = (moments.length - 1) * limits.timestep;
  const speed = (moments[moments.length - 1].hull[0] - moments[0].hull[0]) / span;
  const froude = speed ** 2 / (limits.gravity * limits.leg_length);
  const flies = share(moments, ({ feet }) => !feet[0] && !feet[1]) > limits.running_flight_fraction;
  if (froude < limits.standing_froude) return "standing";
  const both = share(moments, ({ feet }) => feet[0] && feet[1]);
  if (
    froude < limits.creeping_froude ||
    slideShare(moments) > limits.slide_share ||
    (both > limits.double_support_fraction && !flies) ||
    stepLength(moments) < limits.step_length * limits.leg_length
  ) {
    return "shuffling";
  }
  const duty = mean(moments.map(({ feet }) => (feet[0] + feet[1]) / 2));
  return duty < limits.running_duty_factor || flies ? "running" : "walking";
}

/** @param {Moment[]} moments @param {object} limits @returns {string} */
export function classifyPosture(moments, limits) {
  if (moments.length < 2) return "";
  if (isKneeling(moments, limits)) return "kneeling/crawling";
  const heights = moments.map(({ clearance }) => clearance).sort((a, b) => a - b);
  const middle = (heights.length - 1) / 2;
  const median = (heights[Math.floor(middle)] + heights[Math.ceil(middle)]) / 2;
  return median >= limits.upright_height ? "upright" : "crouched";
}

function isKneeling(moments, limits) {
  const lies = ({ foot, knee, angle }) =>
    foot < limits.lying_height &&
    knee < limits.lying_height &&
    Math.abs(angle) > limits.lying_angle;
  const down = ({ legs, uppers }) =>
    legs.some(({ knee }, i) => uppers[i] || knee < limits.knee_height);
  return (
    share(moments, ({ legs }) => legs.some(lies)) >= limits.lying_share ||
    share(moments, down) >= limits.knee_down_share
  );
}

/** Share of its travel that the worse foot makes on the ground; NaN, which is above nothing. */
function slideShare(moments) {
  const shares = [0, 1].map((foot) => {
    let [sliding, total] = [0, 0];
    for (let t = 1; t < moments.length; t++) {
      const travel = Math.abs(moments[t].legs[foot].x - moments[t - 1].legs[foot].x);
      total += travel;
      if (moments[t].feet[foot] && moments[t - 1].feet[foot]) sliding += travel;
    }
    return sliding / total;
  });
  const known = shares.filter((part) => !Number.isNaN(part));
  return known.length > 0 ? Math.max(...known) : NaN;
}

/** Mean length of a step, m; NaN without two footfalls. */
function stepLength(moments) {
  const falls = [0, 1]
    .flatMap((foot) => footfalls(moments.map(({ feet }) => feet[foot])).map((t) => [t, foot]))
    .sort(([a, left], [b, right]) => a - b || left - right)
    .map(([t, foot]) => moments[t].legs[foot].x);
  return mean(falls.slice(1).map((x, i) => x - falls[i]));
}

/** Times at which a foot comes down; gaps and contacts of one timestep do not count. */
function footfalls(contact) {
  const at = (list, t) => list[Math.min(Math.max(t, 0), list.length - 1)];
  const closed = contact.map((on, t) => on || (at(contact, t - 1) && at(contact, t + 1)));
  const steady = closed.map((on, t) => on && (at(closed, t - 1) || at(closed, t + 1)));
  return steady.flatMap((on, t) => (t > 0 && on && !steady[t - 1] ? [t] : []));
}
