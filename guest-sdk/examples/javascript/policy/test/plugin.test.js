import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as plugin from '../plugin.js';
import { FakeHost } from '../sdk/testing.js';

const target = { kind: 'Pod', metadata: { name: 'web-0', namespace: 'shop' }, spec: { containers: [] } };
const planned = (image) => ({
  target: { kind: 'Pod', namespace: 'shop', name: 'web-0' },
  steps: [{ action: 'add-ephemeral-container', object: { name: 'debugger', image } }],
});
const review = (more) => new FakeHost().review(plugin, { target, plan: planned('busybox:1.36'), ...more });
const codes = (decision) => decision.diagnostics.map(({ code }) => code);

test('an image of a registry with a mirror is taken from there', () => {
  const decision = review({ settings: { mirrors: { 'docker.io': 'mirror.example.com/hub' } } });
  assert.equal(decision.verdict, 'amend');
  assert.deepEqual(decision.amendments, [
    { operation: 'add', at: '/steps/0/object/image', value: 'mirror.example.com/hub/library/busybox:1.36' },
  ]);
});

test('what is in the mirror already stays there', () => {
  const settings = { mirrors: { 'docker.io': 'mirror.example.com/hub' } };
  assert.equal(review({ settings, plan: planned('mirror.example.com/hub/tools:1') }).verdict, 'allow');
});

test('an image that is none is denied', () => {
  assert.deepEqual(codes(review({ plan: planned('NO/Image') })), ['image-invalid']);
});

const hours = { from: 8, to: 18 };

test('a debug happens in office hours', () => {
  const at = (time) => review({ settings: { hours }, context: { time } }).verdict;
  assert.equal(at('2026-11-26T08:00:00Z'), 'allow');
  assert.equal(at('2026-11-26T18:00:00Z'), 'deny');
  assert.equal(at('2026-11-28T12:00:00Z'), 'deny', 'a Saturday');
});

test('a group is free of the hours', () => {
  const settings = { hours, exceptGroups: ['sre'] };
  const context = { time: '2026-11-28T12:00:00Z' };
  assert.equal(review({ settings, context, actor: { groups: ['sre', 'dev'] } }).verdict, 'allow');
  assert.deepEqual(codes(review({ settings, context, actor: { groups: ['dev'] } })), ['outside-hours']);
});

test('settings that cannot be meant are told', () => {
  const found = new FakeHost().checkSettings(plugin, { mirrors: { 'docker.io': 'mirror' }, hours: { from: 9, to: 9 } });
  assert.deepEqual(
    found.map(({ code, at }) => [code, at]),
    [
      ['invalid-mirror', '/mirrors/docker.io'],
      ['invalid-hours', '/hours/to'],
    ],
  );
});
