// A fake host: calls a plugin as a component is called, through the strings of the contract, and keeps what it logged.
import * as guest from './guest.js';
import { connect } from './host.js';
import { Failure } from './diagnostic.js';

const CONTEXT = { namespace: 'default', suffix: 'bbbbb', time: '2026-01-01T00:00:00Z' };

/**
 * A host for tests. `objects` are what can be read of the cluster: Kubernetes objects as JSON.
 */
export class FakeHost {
  logged = [];

  constructor({ objects } = {}) {
    this.objects = objects ?? null;
  }

  /** Asks a strategy for its plan, as `{steps, attach, diagnostics}`; a failure is thrown. */
  makePlan(plugin, { target, options = {}, settings = {}, context = {} }) {
    const documents = texts({ target, options, settings, context: { ...CONTEXT, ...context } });
    const plan = this.#call(() => guest.strategy(plugin, this.#functions()).makePlan(documents));
    return { ...plan, steps: plan.steps.map(({ action, object }) => ({ action, object: JSON.parse(object) })) };
  }

  /** Asks a policy about a plan, as `{verdict, amendments, diagnostics}`; a failure is thrown. */
  review(plugin, { plan, target = {}, options = {}, actor = {}, settings = {}, context = {} }) {
    const all = { plan, target, options, actor: { user: '', ...actor }, settings, context: { ...CONTEXT, ...context } };
    const { verdict, diagnostics } = this.#call(() => guest.policy(plugin, this.#functions()).evaluate(texts(all)));
    const amendments = (verdict.val ?? []).map(({ operation, at, value }) =>
      value === null ? { operation, at } : { operation, at, value: JSON.parse(value) },
    );
    return { verdict: verdict.tag, amendments, diagnostics };
  }

  /** Lets a plugin check settings. Returns the diagnostics. */
  checkSettings(plugin, settings) {
    const exports = plugin.makePlan === undefined ? guest.policy : guest.strategy;
    return this.#call(() => exports(plugin, this.#functions()).validateSettings(JSON.stringify(settings)));
  }

  #functions() {
    return { log: (level, message) => this.logged.push({ level, message }), cluster: this.#cluster() };
  }

  #cluster() {
    if (this.objects === null) return null;
    const fits = (object, { apiVersion, kind, namespace }) =>
      object.apiVersion === apiVersion &&
      object.kind === kind &&
      (namespace === null || object.metadata?.namespace === namespace);
    return {
      get: (wanted) => {
        const found = this.objects.find((object) => fits(object, wanted) && object.metadata?.name === wanted.name);
        if (found === undefined) throw { tag: 'not-found' };
        return JSON.stringify(found);
      },
      list: (wanted) => this.objects.filter((object) => fits(object, wanted)).map((object) => JSON.stringify(object)),
    };
  }

  #call(call) {
    const before = connect({});
    try {
      return call();
    } catch (thrown) {
      if (thrown instanceof Error) throw thrown;
      throw new Failure(thrown.kind, thrown.code, thrown.message, thrown.diagnostics);
    } finally {
      connect(before);
    }
  }
}

function texts(documents) {
  return Object.fromEntries(Object.entries(documents).map(([name, value]) => [name, JSON.stringify(value)]));
}
