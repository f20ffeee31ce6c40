// Does one job, given as JSON on standard input, and prints the answer in base64.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const job = JSON.parse(readFileSync(0, "utf8"));
const load = (name) => import(pathToFileURL(`${job.page}/${name}.mjs`).href);
const { compileEngine, Walker } = await load("engine");
const { bytesOfAnswer, firstAnswer } = await load("parity");
const { Policy } = await load("policy");
const { makeGenerator } = await load("seeding");

const floats = (text) => new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const print = (arrays) =>
  process.stdout.write(
    Buffer.concat(
      arrays.map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)),
    ).toString("base64"),
  );
const actionAt = (actions, step) => actions.subarray(4 * step, 4 * step + 4);

const module = await compileEngine(readFileSync(job.engine));

function play({ seed, hardcore, actions }, pushAt = -1) {
  const walker = new Walker(module);
  const answers = [bytesOfAnswer(firstAnswer(walker.reset(seed, hardcore)))];
  for (let step = 0; 4 * step < actions.length; step++) {
    if (step === pushAt) walker.push([2, 1], walker.hull);
    answers.push(bytesOfAnswer(walker.step(actionAt(actions, step))));
  }
  return answers;
}

/** The second half of an episode twice: after a rewind, and in another walker. */
function rewind({ seed, hardcore, actions, half }) {
  const walker = new Walker(module);
  walker.reset(seed, hardcore);
  for (let step = 0; step < half; step++) walker.step(actionAt(actions, step));
  const state = walker.state();
  const rest = (other) => {
    const answers = [];
    for (let step = half; 4 * step < actions.length; step++) {
      answers.push(bytesOfAnswer(other.step(actionAt(actions, step))));
    }
    return answers;
  };
  rest(walker);
  walker.setState(state);
  const other = new Walker(module);
  other.setState(state);
  return [...rest(walker), ...rest(other)];
}

function act({ model, observations }) {
  const layers = model.layers.map((layer) =>
    "weight" in layer
      ? { ...layer, weight: floats(layer.weight), bias: floats(layer.bias) }
      : layer,
  );
  const policy = new Policy({ ...model, layers });
  const actions = [];
  for (let at = 0; at < observations.length; at += 24) {
    actions.push(policy.act(observations.subarray(at, at + 24)));
  }
  return actions;
}

/** Hull, corners and terrain after some steps, as float64. */
function look({ seed, hardcore, actions }) {
  const walker = new Walker(module);
  walker.reset(seed, hardcore);
  for (let step = 0; 4 * step < actions.length; step++) walker.step(actionAt(actions, step));
  const { line, boxes } = walker.terrain();
  const poses = walker.poses().map(({ center, angle }) => [...center, angle]);
  const beams = walker.lidar().map(({ to }) => to);
  return [Float64Array.from([poses, walker.outlines(), beams, line, boxes].flat(3))];
}

/** Steps a second of processor time. */
function speed({ seed, hardcore, actions, episodes }) {
  const walker = new Walker(module);
  const began = process.cpuUsage();
  for (let episode = 0; episode < episodes; episode++) {
    walker.reset(seed, hardcore);
    for (let step = 0; 4 * step < actions.length; step++) walker.step(actionAt(actions, step));
  }
  const { user, system } = process.cpuUsage(began);
  return [Float64Array.of((episodes * actions.length) / 4 / ((user + system) / 1e6))];
}

const JOBS = {
  play,
  push: (given) => play(given, given.pushAt),
  rewind,
  act,
  look,
  speed,
  seed: ({ seed }) => [BigUint64Array.from(Object.values(makeGenerator(BigInt(seed))))],
};
const { actions = "", observations = "" } = job;
print(JOBS[job.job]({ ...job, actions: floats(actions), observations: floats(observations) }));
