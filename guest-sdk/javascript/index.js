// What the author of a plugin needs: what is asked, what is answered, and what plugins need to know of Kubernetes.
export { Diagnostic, Failure, pointer } from './diagnostic.js';
export { cluster, log } from './host.js';
export { ImageReference } from './image.js';
export { nearest, quotedList, unusedName } from './names.js';
export { Plan, changeContainer, debugContainer, ephemeralContainer } from './plan.js';
export { containerNames, containers, annotation, isWindows, label, name, namespace } from './pod.js';
export { Decision, PlannedContainer, Review } from './policy.js';
export { applyToEphemeral } from './profile.js';
export { mergeCustom } from './custom.js';
export { Request } from './request.js';
