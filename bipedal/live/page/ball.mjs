/**
 * A ball to throw at the robot.
 *
 * The engine knows the robot and the ground, and no ball. So the ball flies here, by the laws of
 * motion and no more than plain arithmetic, and what it gives the robot when it hits is a push.
 * @module
 */

/** m, kg, and the share of its speed that a bounce leaves. */
export const BALL = { radius: 0.25, mass: 1.5, bounce: 0.5 };
/** s, after which a ball is gone. */
const LIFETIME = 8;

/**
 * @typedef {object} Ball
 * @property {[number, number]} at m
 * @property {[number, number]} velocity m/s
 * @property {number} age s
 */

/** @param {[number, number]} at @param {[number, number]} velocity @returns {Ball} */
export const throwBall = (at, velocity) => ({ at: [...at], velocity: [...velocity], age: 0 });

/**
 * Where the balls are a timestep later; bodies that they hit are pushed.
 * @param {Ball[]} balls
 * @param {import("./engine.mjs").Walker} walker
 * @param {number} gravity m/s²
 * @returns {Ball[]} new ones, without those that are gone
 */
export function moveBalls(balls, walker, gravity) {
  if (balls.length === 0) return balls;
  const outlines = walker.outlines();
  const ground = walker.terrain();
  return balls
    .map((ball) => fly(ball, gravity / walker.layout.constants.FPS, walker.layout.constants.FPS))
    .filter(({ age }) => age < LIFETIME)
    .map((ball) => {
      outlines.forEach((outline, body) => hit(ball, outline, body, walker));
      landOn(ball, ground);
      return ball;
    });
}

function fly({ at, velocity, age }, fall, fps) {
  const [x, y] = [velocity[0], velocity[1] - fall];
  return { at: [at[0] + x / fps, at[1] + y / fps], velocity: [x, y], age: age + 1 / fps };
}

/** Let a ball and a body bounce off each other, where they overlap and approach. */
function hit(ball, outline, body, walker) {
  const touch = nearest(ball.at, outline);
  if (touch === null) return;
  const { point, normal, depth } = touch;
  const { center, velocity, spin } = walker.structs.body[body];
  const arm = [point[0] - center[0], point[1] - center[1]];
  const approach =
    (ball.velocity[0] - velocity[0] + spin[0] * arm[1]) * normal[0] +
    (ball.velocity[1] - velocity[1] - spin[0] * arm[0]) * normal[1];
  ball.at = [ball.at[0] + depth * normal[0], ball.at[1] + depth * normal[1]];
  if (approach >= 0) return;
  const lever = arm[0] * normal[1] - arm[1] * normal[0];
  const { inverse_mass, inverse_inertia } = walker.arrays;
  const yielding = 1 / BALL.mass + inverse_mass[body] + lever * lever * inverse_inertia[body];
  const impulse = (-(1 + BALL.bounce) * approach) / yielding;
  bounceOff(ball, normal, impulse / BALL.mass);
  walker.push([-impulse * normal[0], -impulse * normal[1]], point, body);
}

function bounceOff(ball, normal, speed) {
  ball.velocity = [ball.velocity[0] + speed * normal[0], ball.velocity[1] + speed * normal[1]];
}

/** Where a ball touches a convex outline, counter-clockwise; null if it does not. */
function nearest(at, outline) {
  let best = null;
  let inside = true;
  outline.forEach((a, i) => {
    const b = outline[(i + 1) % outline.length];
    const touch = nearestOnEdge(at, a, b);
    inside &&= touch.below;
    if (best === null || touch.distance < best.distance) best = touch;
  });
  if (inside) return { ...best, depth: BALL.radius + best.distance, normal: best.outward };
  if (best.distance >= BALL.radius) return null;
  return { ...best, depth: BALL.radius - best.distance };
}

/** The point of an edge nearest to another, and on which side of the edge that lies. */
function nearestOnEdge(at, a, b) {
  const edge = [b[0] - a[0], b[1] - a[1]];
  const to = [at[0] - a[0], at[1] - a[1]];
  const length = Math.sqrt(edge[0] * edge[0] + edge[1] * edge[1]);
  const along = (to[0] * edge[0] + to[1] * edge[1]) / (length * length);
  const share = Math.min(Math.max(along, 0), 1);
  const point = [a[0] + share * edge[0], a[1] + share * edge[1]];
  const away = [at[0] - point[0], at[1] - point[1]];
  const distance = Math.sqrt(away[0] * away[0] + away[1] * away[1]);
  const outward = [edge[1] / length, -edge[0] / length];
  const normal = distance > 0 ? [away[0] / distance, away[1] / distance] : outward;
  return { point, distance, normal, outward, below: to[0] * outward[0] + to[1] * outward[1] < 0 };
}

/** Let a ball bounce off the line of the ground and off boxes. */
function landOn(ball, { line, boxes }) {
  const step = line[1][0];
  const column = Math.min(Math.max(Math.floor(ball.at[0] / step), 0), line.length - 2);
  const [a, b] = [line[column], line[column + 1]];
  const corners = boxes.map(([left, bottom, right, top]) => [
    [left, bottom], [right, bottom], [right, top], [left, top],
  ]);
  const below = [[a[0], a[1] - 5], [b[0], b[1] - 5], b, a];
  for (const outline of [below, ...corners]) {
    const touch = nearest(ball.at, outline);
    if (touch === null) continue;
    const { normal, depth } = touch;
    ball.at = [ball.at[0] + depth * normal[0], ball.at[1] + depth * normal[1]];
    const approach = ball.velocity[0] * normal[0] + ball.velocity[1] * normal[1];
    if (approach < 0) bounceOff(ball, normal, -(1 + BALL.bounce) * approach);
  }
}
