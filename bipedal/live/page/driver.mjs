/**
 * Take the joints over: Q and W swing the thighs, O and P the calves, as in a well-known game.
 *
 * Each key has a bit. The joints are drawn to the angles that the keys ask for.
 * @module
 */

/** The keys, in the order of their bits. */
export const KEYS = ["q", "w", "o", "p"];

/** rad, of hip 0, knee 0, hip 1, knee 1 while no key is held. */
const REST = [0.15, -0.5, -0.15, -0.5];
/** rad, what a key asks for: [joint, angle] of the joints that it moves. */
const ASKED = [
  [[0, 1.0], [2, -0.7]],
  [[0, -0.7], [2, 1.0]],
  [[1, -1.4], [3, -0.2]],
  [[1, -0.2], [3, -1.4]],
];
/** Action for each rad that a joint is away, and for each unit of its observed speed. */
const STIFFNESS = [0.9, 4, 0.9, 4];
const DAMPING = 0.25;
/** Where an observation has the angle of each joint; its speed follows, and 1 is added to knees. */
const ANGLES = [4, 6, 9, 11];
const SHIFT = [0, 1, 0, 1];

/**
 * @param {number} held bits of the keys that are held
 * @param {ArrayLike<number>} observation (24,)
 * @returns {Float32Array} an action (4,)
 */
export function driveJoints(held, observation) {
  const wanted = REST.slice();
  ASKED.forEach((joints, key) => {
    if (((held >> key) & 1) === 1) for (const [joint, angle] of joints) wanted[joint] = angle;
  });
  return Float32Array.from(wanted, (angle, joint) => {
    const away = angle - (observation[ANGLES[joint]] - SHIFT[joint]);
    const action = STIFFNESS[joint] * away - DAMPING * observation[ANGLES[joint] + 1];
    return Math.min(Math.max(action, -1), 1);
  });
}
