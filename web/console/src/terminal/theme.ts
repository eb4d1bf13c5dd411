// Colours of the terminals. What an application asks for is kept readable by xterm.js
// (`minimumContrastRatio`).
import type { ITheme } from '@xterm/xterm';

export const palettes: { dark: ITheme; light: ITheme } = {
  dark: {
    background: '#0b1211',
    foreground: '#d7efe8',
    cursor: '#2dd4bf',
    cursorAccent: '#0b1211',
    selectionBackground: '#2b5c55',
    black: '#1c2624',
    red: '#f87171',
    green: '#4ade80',
    yellow: '#fbbf24',
    blue: '#60a5fa',
    magenta: '#c084fc',
    cyan: '#2dd4bf',
    white: '#d7efe8',
    brightBlack: '#82938f',
    brightRed: '#fca5a5',
    brightGreen: '#86efac',
    brightYellow: '#fde68a',
    brightBlue: '#93c5fd',
    brightMagenta: '#d8b4fe',
    brightCyan: '#5eead4',
    brightWhite: '#ffffff',
  },
  light: {
    background: '#fcfdfd',
    foreground: '#17211f',
    cursor: '#0f766e',
    cursorAccent: '#ffffff',
    selectionBackground: '#b9e4dd',
    black: '#17211f',
    red: '#b42318',
    green: '#15803d',
    yellow: '#8a5a10',
    blue: '#1d4ed8',
    magenta: '#7e22ce',
    cyan: '#0f766e',
    white: '#4b5755',
    brightBlack: '#5f6c69',
    brightRed: '#c0392b',
    brightGreen: '#178a4c',
    brightYellow: '#92600e',
    brightBlue: '#2563eb',
    brightMagenta: '#9333ea',
    brightCyan: '#0d8479',
    brightWhite: '#17211f',
  },
};

/** Of what a search has found; six hexadecimal digits are all that the addon takes. */
export const foundColours = {
  dark: { match: '#4d4513', active: '#a16207' },
  light: { match: '#fdf0b0', active: '#f5c542' },
};
