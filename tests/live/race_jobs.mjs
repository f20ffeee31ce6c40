// Does one job with races, given as JSON on standard input, and prints the answer as JSON.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const job = JSON.parse(readFileSync(0, "utf8"));
const load = (name) => import(pathToFileURL(`${job.page}/${name}.mjs`).href);
const { compileEngine, Walker } = await load("engine");
const { Race } = await load("race");
const { Recorder } = await load("record");
const { unpackModel } = await load("model");
const { ORDINARY, stepUnder } = await load("conditions");
const { addBox, isFree, setHeights } = await load("ground");
const { BALL, moveBalls, throwBall } = await load("ball");
const { bytesOfAnswer } = await load("parity");
const { makeReplay, packReplay, unpackReplay } = await load("replay");
const { describeWorld } = await load("events");
const { classifyGait, classifyPosture } = await load("gait");

const module = await compileEngine(readFileSync(job.engine));
const models = (job.models ?? []).map(unpackModel);
const start = { seed: "0", hardcore: false, difficulty: null, ...job.start };
const hex = (bytes) => Buffer.from(bytes).toString("hex");

function makeRace(events = [], latest = 0) {
  const race = new Race(module, models);
  race.begin(start, events, latest);
  return race;
}

function newWalker() {
  const walker = new Walker(module);
  walker.reset(BigInt(start.seed), start.hardcore, start.difficulty);
  return walker;
}

/** Answers to actions, with changes of the ground before some step. */
function walk({ actions, at = 0, heights = null, boxes = [], conditions = ORDINARY }) {
  const walker = newWalker();
  const answers = [];
  let stand;
  actions.forEach((action, step) => {
    if (step === at) {
      if (heights !== null) setHeights(walker, 0, heights);
      stand = boxes.map((box) => addBox(walker, box));
    }
    answers.push(hex(bytesOfAnswer(stepUnder(walker, action, conditions))));
  });
  return { answers, stand, terrain: walker.terrain() };
}

/** Play events to a time, then go to other times and back. */
function revisit({ events, time, visits }) {
  const race = makeRace(events, time);
  race.goTo(time);
  const first = race.digest;
  for (const visit of visits) race.goTo(visit);
  race.goTo(time);
  return { first, again: race.digest, time: race.time };
}

/** Do things at times, and replay what was kept of them in another race. */
async function replay({ acts, time }) {
  const race = makeRace();
  for (const [at, ...event] of acts) {
    while (race.time < at) race.step();
    race.act(...event);
  }
  while (race.time < time) race.step();
  const packed = await packReplay(makeReplay(race));
  const kept = await unpackReplay(packed);
  const other = makeRace(kept.events, kept.time);
  other.goTo(kept.time);
  return { packed, events: kept.events, digest: kept.digest, again: other.digest };
}

/** m/s² by which a robot in the air gets faster downwards. */
function fall({ conditions, steps }) {
  const walker = newWalker();
  for (const { center, fat_box } of walker.structs.body) {
    center[1] += 50;
    fat_box[1] += 50;
    fat_box[3] += 50;
  }
  const momentum = () =>
    walker.structs.body.reduce(
      (sum, { velocity }, i) => sum + velocity[1] / walker.arrays.inverse_mass[i],
      0,
    );
  const mass = walker.arrays.inverse_mass.reduce((sum, inverse) => sum + 1 / inverse, 0);
  const before = momentum();
  for (let i = 0; i < steps; i++) stepUnder(walker, new Float32Array(4), conditions);
  return ((before - momentum()) / mass / steps) * 50;
}

/** Momenta of robot and ball before and after they meet. */
function meet({ from, velocity, steps }) {
  const walker = newWalker();
  let balls = [throwBall(from, velocity)];
  const found = [];
  for (let i = 0; i < steps; i++) {
    const [ball] = balls;
    const robot = () =>
      walker.structs.body.reduce(
        (sum, one, body) => sum + one.velocity[0] / walker.arrays.inverse_mass[body],
        0,
      );
    const before = robot() + BALL.mass * ball.velocity[0];
    const [push] = [robot()];
    balls = moveBalls(balls, walker, 10);
    if (robot() !== push) found.push([before, robot() + BALL.mass * balls[0].velocity[0]]);
  }
  return { found, ball: balls[0] };
}

/** Words for the gait of a whole episode of the first model. */
function gait({ limits, steps }) {
  const race = new Race(module, models);
  const recorder = new Recorder(race.runners);
  race.onStep = () => recorder.note(race.runners, race.time);
  race.begin(start);
  while (race.time < steps && !race.over) race.step();
  const moments = recorder.recent(0, race.time, race.time);
  const { end } = race.runners[0];
  return {
    words: [classifyGait(moments, limits, end === "fell"), classifyPosture(moments, limits)],
    value: race.runners[0].value,
    values: moments.map(({ value }) => value),
  };
}

/** Actions of a model out of files for observations; or the message of what goes wrong. */
async function files({ weights, statistics, observations }) {
  const { readModel } = await load("model_file");
  const { Policy } = await load("policy");
  const { packModel } = await load("model");
  const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
  try {
    const model = await readModel("own", bytes(weights), statistics && bytes(statistics));
    const policy = new Policy(unpackModel(JSON.parse(JSON.stringify(packModel(model)))));
    return {
      actions: observations.map((one) => [...policy.act(Float32Array.from(one))]),
      value: policy.value(),
    };
  } catch (error) {
    return error.message;
  }
}

/** The message of what goes wrong. */
async function refuse({ value }) {
  const { checkReplay } = await load("replay");
  try {
    checkReplay(value);
  } catch (error) {
    return error.message;
  }
  return "";
}

const JOBS = {
  walk,
  revisit,
  replay,
  fall,
  meet,
  gait,
  refuse,
  files,
  free: ({ left, right }) => isFree(newWalker(), left, right),
  world: ({ events }) => describeWorld(start, events),
};
console.log(JSON.stringify(await JOBS[job.job](job)));
