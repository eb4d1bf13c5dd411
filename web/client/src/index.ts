export { connect, Session } from './session.js';
export { Port } from './port.js';
export { ThingwayError } from './errors.js';
export type * from './types.js';
