// A tone of 1 kHz, from a program to a browser and from a browser to a program.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { freePorts, pageOf, rtpEndpoint } from './lib/media.js';
import { prepare, publishTone } from './lib/media_senders.js';
import { hear, samplesOf, strongestTone } from './lib/media_sound.js';
import { recipe, replaced, Shell } from './lib/recipes.js';
import { Hopeless, testBound, until } from './lib/until.js';

/** Plays sound that no person has asked for. */
const audible = { flags: ['--autoplay-policy=no-user-gesture-required'] };
const tone = 1000;
const isTone = (frequency) => Math.abs(frequency - tone) <= tone / 100;

const source = `audiotestsrc is-live=true freq=${tone}`;
const programs = {
  opus: (port) => replaced(recipe('sh', 'alsasrc'), { alsasrc: source, 'port=5008': `port=${port}` }),
  PCMU: (port) =>
    `gst-launch-1.0 ${source} ! audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay ! udpsink host=127.0.0.1 port=${port}`,
};

for (const [codec, program] of Object.entries(programs)) {
  test(`chromium hears the tone of a program in ${codec}`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('talk', 'audio', codec, port));
    const shell = Shell.start(t, program(port));
    const page = await pageOf(await chromium(t, audible), daemon.url);
    const { status, answer } = await page.evaluate(hear, { url: daemon.url, name: 'talk' });
    assert.equal(status, 201, answer);
    await until('the tone is right', async () => {
      if (shell.hasEnded) throw new Hopeless(`the program has ended: ${shell.log}`);
      const frequency = await page.evaluate(() => window.hearing.strongest());
      if (!isTone(frequency)) throw new Error(`it is ${frequency} Hz`);
      return true;
    });
  });

  test(`the tone of a page in ${codec} is in the record of a program`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(
      t,
      `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.audio]\ncodec = "${codec}"\nsend_to = "127.0.0.1:${port}"\n`,
    );
    const recorder = `curl --fail --silent ${daemon.url}/endpoints/talk/sdp > talk.sdp
gst-launch-1.0 -q filesrc location=talk.sdp ! sdpdemux ! decodebin ! audioconvert ! audio/x-raw,format=S16LE ! wavenc ! filesink location=talk.wav buffer-mode=unbuffered`;
    const shell = Shell.start(t, recorder);
    const record = `${shell.directory}/talk.wav`;
    await until('it waits for packets', () => existsSync(record));
    const page = await pageOf(await chromium(t, audible), daemon.url);
    await page.evaluate(prepare);
    const wish = { url: `${daemon.url}/whip/talk`, codec, frequency: tone };
    const { status, answer } = await page.evaluate(publishTone, wish);
    assert.equal(status, 201, answer);
    const second = { opus: 4 * 48000, PCMU: 2 * 8000 }[codec];
    await until('three seconds are recorded', () => {
      if (shell.hasEnded) throw new Hopeless(`the program has ended: ${shell.log}`);
      return statSync(record).size > 3 * second;
    });
    const { rate, samples } = samplesOf(readFileSync(record));
    // The last quarter of a second: the beginning has silence in it.
    const frequency = strongestTone({ rate, samples: samples.subarray(-rate / 4) });
    assert.ok(isTone(frequency), `${frequency} Hz`);
  });
}
