// The views and tools that are not there at the first sight, as one part: each part is a request, and a phone
// far away waits for each.
export { default as connection } from './connection.tsx';
export { default as drive } from './drive.tsx';
export { default as plots } from './plots.tsx';
export { default as sessions } from './sessions.tsx';
export { default as tokens } from './tokens.tsx';
export { AddEndpoint } from './add_endpoint.tsx';
export { EditEndpoint } from './edit_endpoint.tsx';
export { FilePanel } from '../sending/file_panel.tsx';
export { MediaPanel } from '../media/panel.tsx';
export { MacroEditor } from '../sending/macro_editor.tsx';
