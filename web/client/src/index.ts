// What `import … from "thingway"` gives.
export { connect, Session } from './session.js';
export { Port } from './port.js';
export type { Dropped, Gap, PortEvents } from './port.js';
export { ThingwayError } from './errors.js';
export type { ErrorCode, ErrorDetails } from './errors.js';
export type { Listener, TypedTarget } from './events.js';
export type * from './session_types.js';
export type * from './types.js';
