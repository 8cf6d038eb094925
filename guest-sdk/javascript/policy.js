// Reviews and decisions: the input and the answer of policies.
import { pointer } from './diagnostic.js';
import { containers, namespace } from './pod.js';

/** A plan under review, with its context. */
export class Review {
  constructor({ plan, target = {}, options = {}, actor = {}, settings = {}, context = {} }) {
    this.plan = plan;
    this.target = target;
    this.options = options;
    this.actor = { user: '', groups: [], ...actor };
    this.settings = settings;
    this.context = { namespace: 'default', suffix: 'bbbbb', time: '2026-01-01T00:00:00Z', ...context };
  }

  /** The namespace of the debug: the target's, or for a node that of the created pod. */
  get namespace() {
    return this.plan.target?.namespace ?? namespace(this.target) ?? this.context.namespace;
  }

  /** The containers that the plan adds or copies from the target, in the plan's order. */
  containers() {
    return (this.plan.steps ?? []).flatMap((step, index) => {
      const root = pointer('steps', index, 'object');
      if (step.action === 'add-ephemeral-container') {
        return [new PlannedContainer(step.object, 'ephemeralContainers', null, root)];
      }
      if (step.action !== 'create-pod') return [];
      return containers(step.object).map(({ kind, index: place, container }) => {
        const at = root + pointer('spec', kind, place);
        return new PlannedContainer(container, kind, this.#before(container.name), at);
      });
    });
  }

  #before(name) {
    if (this.target.kind !== 'Pod') return null;
    const found = containers(this.target).find((known) => known.container.name === name);
    return found === undefined || found.kind === 'ephemeralContainers' ? null : found.container;
  }
}

/** A container of a plan, with its position. `before` is the target's container of the same name, which a copy takes over. */
export class PlannedContainer {
  #at;

  constructor(container, kind, before, at) {
    this.container = container;
    this.kind = kind;
    this.before = before;
    this.#at = at;
  }

  get name() {
    return this.container.name ?? '';
  }

  get image() {
    return this.container.image ?? '';
  }

  /** The pointer to a field of the container, given as unescaped parts, from the plan's root. */
  at(...parts) {
    return this.#at + pointer(...parts);
  }

  /** Returns whether the target has the same container with the same value of a field. */
  keeps(field) {
    return this.before !== null && equal(this.before[field], this.container[field]);
  }
}

/** Returns whether two JSON values are equal, regardless of the order of fields. */
function equal(a, b) {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const fields = Object.keys(a);
  if (fields.length !== Object.keys(b).length) return false;
  return fields.every((field) => Object.hasOwn(b, field) && equal(a[field], b[field]));
}

/** A policy's decision. It starts as allow; amendments and denials that are added change it. */
export class Decision {
  amendments = [];
  diagnostics = [];
  #denied = false;

  /** Allows the plan, unchanged. */
  static allow() {
    return new Decision();
  }

  /** Denies the plan. The diagnostic says why, and what would be allowed. */
  deny(why) {
    this.#denied = true;
    this.diagnostics.push(why);
    return this;
  }

  /** Sets a member, or replaces it; the diagnostic says why. */
  set(at, value, why) {
    return this.#amend({ operation: 'add', at, value }, why);
  }

  /** Removes a member or a list item; the diagnostic says why. */
  remove(at, why) {
    return this.#amend({ operation: 'remove', at }, why);
  }

  /** Adds a message for the user, whatever the verdict. */
  note(note) {
    this.diagnostics.push(note);
    return this;
  }

  /** The verdict: allow, amend or deny. */
  get verdict() {
    if (this.#denied) return 'deny';
    return this.amendments.length > 0 ? 'amend' : 'allow';
  }

  #amend(amendment, why) {
    why.at ??= amendment.at;
    this.diagnostics.push(why);
    this.amendments.push(amendment);
    return this;
  }
}
