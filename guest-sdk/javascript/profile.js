// The security presets of --profile for an ephemeral container, as pure functions.

const CAPABILITIES = { general: ['SYS_PTRACE'], netadmin: ['NET_ADMIN', 'NET_RAW'] };

function object(parent, field) {
  const value = parent[field];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) parent[field] = {};
  return parent[field];
}

/** Applies a profile to an ephemeral container. */
export function applyToEphemeral(profile, container) {
  switch (profile) {
    case 'general':
    case 'netadmin': {
      const capabilities = object(object(container, 'securityContext'), 'capabilities');
      const before = Array.isArray(capabilities.add) ? capabilities.add : [];
      capabilities.add = [...before, ...CAPABILITIES[profile]];
      break;
    }
    case 'sysadmin':
      object(container, 'securityContext').privileged = true;
      break;
    case 'baseline':
      delete container.securityContext;
      break;
    case 'restricted':
      container.securityContext = {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      };
      break;
  }
}

// The fields of a container's security context that the API server refuses in a Windows pod.
const OF_LINUX = [
  'allowPrivilegeEscalation',
  'appArmorProfile',
  'capabilities',
  'privileged',
  'procMount',
  'readOnlyRootFilesystem',
  'runAsGroup',
  'runAsUser',
  'seLinuxOptions',
  'seccompProfile',
];

/** Removes fields from a container that only Linux supports, for a Windows pod. */
export function removeLinuxFields(container) {
  const context = container.securityContext;
  if (typeof context !== 'object' || context === null) return;
  for (const field of OF_LINUX) delete context[field];
  if (Object.keys(context).length === 0) delete container.securityContext;
}
