// Requests, the input of strategies.
import { Failure } from './diagnostic.js';

/** A request for a plan: the pod or node, what the user asked for, the plugin's settings, and time, namespace and suffix as data. */
export class Request {
  constructor({ target, options = {}, settings = {}, context = {} }) {
    this.target = target;
    this.options = options;
    this.settings = settings;
    this.context = { namespace: 'default', suffix: 'bbbbb', time: '2026-01-01T00:00:00Z', ...context };
  }

  /** The target as a pod; fails if it is not one. */
  pod() {
    return this.#expect('Pod');
  }

  /** The target as a node; fails if it is not one. */
  node() {
    return this.#expect('Node');
  }

  #expect(kind) {
    if (this.target?.kind !== kind) {
      throw Failure.unsupportedTarget(`this strategy debugs a ${kind}, not a ${this.target?.kind ?? 'thing without a kind'}`);
    }
    return this.target;
  }
}
