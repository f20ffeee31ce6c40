/**
 * Models side by side on the same ground, with their past.
 * @module
 */

import { Walker } from "./engine.mjs";
import { Policy } from "./policy.mjs";

/** Timesteps that can be rewound: a minute, more than any episode lasts. */
const MEMORY = 3000;

/** One model's robot and its episode so far. */
class Runner {
  constructor(module, model) {
    this.name = model.name;
    this.walker = new Walker(module);
    this._policy = new Policy(model);
  }

  begin(seed, hardcore) {
    this._policy.restart();
    this._observation = this.walker.reset(seed, hardcore);
    this.total = 0;
    /** How the episode ended; empty while it goes on. */
    this.end = "";
  }

  step() {
    if (this.end) return;
    const answer = this.walker.step(this._policy.act(this._observation));
    this._observation = answer.observation;
    this.total += answer.reward;
    if (answer.terminated) this.end = answer.reward === -100 ? "fell" : "reached the far end";
    else if (answer.truncated) this.end = "time is up";
  }

  state() {
    return {
      walker: this.walker.state(),
      policy: this._policy.state(),
      observation: this._observation,
      total: this.total,
      end: this.end,
    };
  }

  setState({ walker, policy, observation, total, end }) {
    this.walker.setState(walker);
    this._policy.setState(policy);
    this._observation = observation;
    this.total = total;
    this.end = end;
  }
}

/** All robots of a page; each has a world of its own with the same ground. */
export class Race {
  /**
   * @param {WebAssembly.Module} module
   * @param {import("./policy.mjs").Model[]} models
   */
  constructor(module, models) {
    this.runners = models.map((model) => new Runner(module, model));
    this._past = [];
    this._first = 0;
    /** Timesteps since the start. */
    this.time = 0;
  }

  /** Put everybody at the start. */
  begin(seed, hardcore) {
    for (const runner of this.runners) runner.begin(seed, hardcore);
    this.time = 0;
    this._first = 0;
    this._past = [this._states()];
  }

  /** One timestep; what lay ahead of a rewound time is forgotten. */
  step() {
    for (const runner of this.runners) runner.step();
    this.time += 1;
    this._past.length = this.time - this._first;
    this._past.push(this._states());
    if (this._past.length > MEMORY) {
      this._past.shift();
      this._first += 1;
    }
  }

  /**
   * Push a robot at the present time, and forget what lay ahead.
   * @param {Runner} runner
   * @param {[number, number]} impulse N s
   * @param {[number, number]} at where, m
   */
  push(runner, impulse, at) {
    runner.walker.push(impulse, at);
    this._past.length = this.time - this._first;
    this._past.push(this._states());
  }

  /** Go to a time of the past. @param {number} time from `earliest` to `latest` */
  goTo(time) {
    this.time = Math.min(Math.max(time, this.earliest), this.latest);
    const states = this._past[this.time - this._first];
    this.runners.forEach((runner, i) => runner.setState(states[i]));
  }

  get earliest() {
    return this._first;
  }

  get latest() {
    return this._first + this._past.length - 1;
  }

  get over() {
    return this.runners.every((runner) => runner.end);
  }

  _states() {
    return this.runners.map((runner) => runner.state());
  }
}
