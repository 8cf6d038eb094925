// The fake host: what plugins see of a host, and how their errors are reported.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Decision, Diagnostic, Plan, cluster, log } from '../index.js';
import { FakeHost } from '../testing.js';

const target = { kind: 'Pod', metadata: { name: 'web' } };

test('what is logged is kept with its level', () => {
  const host = new FakeHost();
  const makePlan = (request) => {
    log.debug(request.options.image);
    return new Plan();
  };
  host.makePlan({ makePlan }, { target, options: { image: 'busybox', newerField: 1 } });
  assert.deepEqual(host.logged, [{ level: 'debug', message: 'busybox' }]);
});

test('a bug is told in the log with its place, and thrown', () => {
  const host = new FakeHost();
  assert.throws(() => host.makePlan({ makePlan: (request) => request.none.field }, { target }), /the plugin has a bug/);
  assert.match(host.logged[0].message, /^TypeError: .* \(host\.test\.js:\d+:\d+\)$/);
});

test('the cluster is read where there is one', () => {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
  const asked = { apiVersion: 'v1', kind: 'Namespace', name: 'shop' };
  let found;
  const plugin = {
    makePlan() {
      try {
        found = cluster.get(asked).metadata.name;
      } catch (error) {
        found = error.tag;
      }
      return new Plan();
    },
  };
  for (const [objects, wanted] of [[[namespace], 'shop'], [[], 'not-found'], [undefined, 'unavailable']]) {
    new FakeHost({ objects }).makePlan(plugin, { target });
    assert.equal(found, wanted);
  }
});

test('a decision is a denial before it is an amendment', () => {
  const why = Diagnostic.info('code', 'message');
  const decision = Decision.allow();
  assert.equal(decision.verdict, 'allow');
  assert.equal(decision.set('/steps/0/object/tty', false, why).verdict, 'amend');
  assert.equal(why.at, '/steps/0/object/tty');
  assert.equal(decision.deny(Diagnostic.error('code', 'message')).verdict, 'deny');
});

test('a container of a copy knows what it was', () => {
  const kept = { name: 'app', image: 'a', env: [{ name: 'A', value: '1' }] };
  const same = { env: [{ value: '1', name: 'A' }], image: 'a', name: 'app' };
  const pod = (containers) => ({ kind: 'Pod', metadata: { name: 'web' }, spec: { containers } });
  const plan = { steps: [{ action: 'create-pod', object: pod([same, { name: 'side', image: 'new' }]) }] };
  let found;
  const review = (review) => {
    found = review.containers().map((container) => [container.at('image'), container.keeps('env')]);
    return Decision.allow();
  };
  new FakeHost().review({ review }, { plan, target: pod([kept, { name: 'side', image: 'b', env: [] }]) });
  const root = '/steps/0/object/spec/containers';
  assert.deepEqual(found, [
    [`${root}/0/image`, true],
    [`${root}/1/image`, false],
  ]);
});
