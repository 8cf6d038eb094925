import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as plugin from '../plugin.js';
import { FakeHost } from '../sdk/testing.js';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-0', namespace: 'shop', labels: { runtime: 'java' } },
  spec: {
    containers: [
      { name: 'proxy', image: 'proxy:1' },
      {
        name: 'app',
        image: 'app:1',
        volumeMounts: [
          { name: 'heap', mountPath: '/heap' },
          { name: 'config', mountPath: '/etc/app.conf', subPath: 'app.conf' },
        ],
      },
    ],
  },
};

const container = (request) => new FakeHost().makePlan(plugin, { target: pod, ...request }).steps[0].object;

test('a Java pod gets the tools, beside its first container', () => {
  const made = container({});
  assert.equal(made.image, 'registry.example.com/debug/java:21');
  assert.equal(made.targetContainerName, 'proxy');
});

test('the tools are those of the flag, and --image is stronger', () => {
  assert.equal(container({ settings: { tools: 'java:17' } }).image, 'java:17');
  assert.equal(container({ settings: { tools: 'java:17' }, options: { image: 'busybox' } }).image, 'busybox');
});

test('whole volumes of the container of --target are mounted, to read', () => {
  const made = container({ options: { targetContainer: 'app' } });
  assert.deepEqual(made.volumeMounts, [{ name: 'heap', mountPath: '/heap', readOnly: true }]);
});

test('what --custom says holds', () => {
  const made = container({ options: { custom: { env: [{ name: 'A', value: '1' }] } } });
  assert.deepEqual(made.env, [{ name: 'A', value: '1' }]);
});

test('another pod is refused, with the place of its label', () => {
  const other = { ...pod, metadata: { name: 'db-0' } };
  assert.throws(
    () => container({ target: other }),
    (failure) => failure.code === 'not-java' && failure.diagnostics[0].at === '/metadata/labels/runtime',
  );
});
