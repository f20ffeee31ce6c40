/**
 * Models side by side on the same ground, with their past.
 *
 * What happens follows from the start and the events alone. So the past is kept as a snapshot now
 * and then: any other time is computed again from the one before it, to the same bits.
 * @module
 */

import { moveBalls } from "./ball.mjs";
import { ORDINARY, stepUnder } from "./conditions.mjs";
import { driveJoints } from "./driver.mjs";
import { Walker } from "./engine.mjs";
import { applyEvent, makeEvent } from "./events.mjs";
import { bytesOfAnswer, digest, firstAnswer } from "./parity.mjs";
import { Policy } from "./policy.mjs";

/** Timesteps from one snapshot to the next. */
const APART = 25;

/**
 * @typedef {object} Start
 * @property {string} seed
 * @property {boolean} hardcore
 * @property {number[] | null} difficulty (11,), where the ground is of neither of Gymnasium's kinds
 */

/** One model's robot and its episode so far. */
export class Runner {
  constructor(module, model, number) {
    this.model = model;
    this.name = model.name;
    this.number = number;
    this.walker = new Walker(module);
    this._policy = new Policy(model);
  }

  /** @param {Start} start */
  begin({ seed, hardcore, difficulty }) {
    this._policy.restart();
    this.answer = firstAnswer(this.walker.reset(BigInt(seed), hardcore, difficulty));
    this.action = new Float32Array(4);
    this.total = 0;
    /** How the episode ended; empty while it goes on. */
    this.end = "";
    /** Bits of the keys that drive it; -1: its model does. */
    this.held = -1;
    this.balls = [];
    this.setConditions(ORDINARY);
    this.digest = digest(bytesOfAnswer(this.answer));
  }

  setConditions(conditions) {
    this.conditions = conditions;
    this.walker.setGrip(conditions.grip);
  }

  step() {
    if (this.end) return;
    const { observation } = this.answer;
    const wanted = this._policy.act(observation);
    this.action = this.held < 0 ? wanted : driveJoints(this.held, observation);
    this.balls = moveBalls(this.balls, this.walker, this.conditions.gravity);
    this.answer = stepUnder(this.walker, this.action, this.conditions);
    const { reward, terminated, truncated } = this.answer;
    this.total += reward;
    if (terminated) this.end = reward === -100 ? "fell" : "reached the far end";
    else if (truncated) this.end = "time is up";
    this.digest = digest(bytesOfAnswer(this.answer), this.digest);
  }

  /** What the critic expects from here. @returns {number} */
  get value() {
    return this._policy.value();
  }

  state() {
    const { answer, action, total, end, held, balls, conditions } = this;
    return {
      ...{ answer, action, total, end, held, balls, conditions, digest: this.digest },
      walker: this.walker.state(),
      policy: this._policy.state(),
    };
  }

  setState({ walker, policy, conditions, ...rest }) {
    Object.assign(this, rest);
    this.walker.setState(walker);
    this._policy.setState(policy);
    this.setConditions(conditions);
  }
}

/** All robots of a page; each has a world of its own with the same ground. */
export class Race {
  /**
   * @param {WebAssembly.Module} module
   * @param {import("./policy.mjs").Model[]} models
   */
  constructor(module, models) {
    this.runners = models.map((model, number) => new Runner(module, model, number));
    /** Called after each timestep, and where a time comes back. */
    this.onStep = () => {};
  }

  /**
   * Put everybody at the start.
   * @param {Start} start
   * @param {import("./events.mjs").Event[]} events that will happen
   * @param {number} latest time that is known to come
   */
  begin(start, events = [], latest = 0) {
    this.start = start;
    this.events = events;
    this.latest = latest;
    for (const runner of this.runners) runner.begin(start);
    /** Timesteps since the start. */
    this.time = 0;
    this._done = 0;
    this._snapshots = [this._snapshot()];
    this._happen();
    this.onStep();
  }

  /** One timestep, and what happens after it. */
  step() {
    for (const runner of this.runners) runner.step();
    this.time += 1;
    this.latest = Math.max(this.latest, this.time);
    const place = this.time / APART;
    if (place === this._snapshots.length) this._snapshots.push(this._snapshot());
    this._happen();
    this.onStep();
  }

  /** Do something now. What lay ahead of a rewound time is forgotten. */
  act(kind, ...numbers) {
    const event = makeEvent(this.time, kind, numbers);
    this.events = [...this.events.slice(0, this._done), event];
    this._snapshots.length = Math.floor(this.time / APART) + 1;
    this.latest = this.time;
    this._happen();
    this.onStep();
  }

  /** Go to a time, back or ahead. @param {number} time from 0 to `latest` */
  goTo(time) {
    const wanted = Math.min(Math.max(time, 0), this.latest);
    const place = Math.min(Math.floor(wanted / APART), this._snapshots.length - 1);
    if (wanted < this.time || place * APART > this.time) this._restore(place);
    while (this.time < wanted && !this.over) this.step();
  }

  get over() {
    return this.runners.every((runner) => runner.end);
  }

  /** One number for every bit of every answer so far. @returns {string} */
  get digest() {
    return this.runners.map((runner) => runner.digest.toString(16).padStart(16, "0")).join("");
  }

  _happen() {
    for (; this.events[this._done]?.[0] === this.time; this._done += 1) {
      for (const runner of this.runners) applyEvent(runner, this.events[this._done]);
    }
  }

  _snapshot() {
    return { done: this._done, states: this.runners.map((runner) => runner.state()) };
  }

  _restore(place) {
    const { done, states } = this._snapshots[place];
    this.time = place * APART;
    this._done = done;
    this.runners.forEach((runner, i) => runner.setState(states[i]));
    this._happen();
    this.onStep();
  }
}
