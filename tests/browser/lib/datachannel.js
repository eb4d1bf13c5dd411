// libdatachannel for Node: a third implementation of DataChannels, beside those of the two browsers.
import { createRequire } from 'node:module';
import nodeDataChannel from 'node-datachannel';

export const library = nodeDataChannel;
export const version = createRequire(import.meta.url)('../package.json').dependencies['node-datachannel'];
