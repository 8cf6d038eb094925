// The same inputs give the same answers as in the other SDKs: guest-sdk/vectors.json.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Failure, ImageReference, ephemeralContainer, mergeCustom, nearest, unusedName } from '../index.js';

const vectors = JSON.parse(readFileSync(new URL('../../vectors.json', import.meta.url), 'utf8'));

test('an image is read as the other SDKs read it', () => {
  for (const { reference, parts } of vectors.images) {
    const image = ImageReference.parse(reference);
    const found =
      image && {
        registry: image.registry,
        repository: image.repository,
        tag: image.tag,
        digest: image.digest,
        text: String(image),
      };
    assert.deepEqual(found, parts, reference);
  }
  for (const { reference, registry, prefix, text } of vectors.mirrors) {
    const mirrored = ImageReference.parse(reference).withRegistry(registry, prefix);
    assert.equal(mirrored && String(mirrored), text, `${reference} at ${registry}`);
  }
});

test('names are found as in the other SDKs', () => {
  for (const { prefix, suffix, taken, name } of vectors.names) assert.equal(unusedName(prefix, suffix, taken), name);
  for (const { typed, known, name } of vectors.nearest) assert.equal(nearest(typed, known), name, typed);
});

test('--custom is merged as in the other SDKs', () => {
  for (const { container, custom, merged } of vectors.custom) {
    const found = structuredClone(container);
    mergeCustom(found, custom);
    assert.deepEqual(found, merged, JSON.stringify(custom));
  }
});

test('an ephemeral container is made as in the other SDKs', () => {
  for (const { pod, options, suffix, container, failure } of vectors.ephemeral) {
    let made;
    try {
      made = { container: ephemeralContainer(pod, options, { suffix }) };
    } catch (thrown) {
      if (!(thrown instanceof Failure)) throw thrown;
      made = { failure: { code: thrown.code, message: thrown.message } };
    }
    assert.deepEqual(made, container === undefined ? { failure } : { container }, JSON.stringify(options));
  }
});
