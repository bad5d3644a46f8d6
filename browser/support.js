// Runs to look at, and a browser to look with.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile, mkdir, appendFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const root = resolve(import.meta.dirname, "..");
export const kennardPath = process.env.KENNARD ?? join(root, "target/release/kennard");
export const fixture = (name) => join(root, "fixtures", name);
export const fashion = `fashion-mnist:${fixture("fashion-mnist")}`;
export { appendFile, mkdir, readFile, spawn, writeFile, join };

/** Runs the command; rejects where it fails. */
export const kennard = (...words) => promisify(execFile)(kennardPath, words, { maxBuffer: 1 << 26 });
export const json = async (path) => JSON.parse(await readFile(path, "utf8"));

export async function scratch() {
  const path = await mkdtemp(join(tmpdir(), "kennard-browser-"));
  return { path, at: (name) => join(path, name), remove: () => rm(path, { recursive: true, force: true }) };
}

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/** A page that keeps account of what it says and asks for. */
export async function open(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options });
  const said = [];
  const asked = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!/^(data|blob):/.test(request.url())) asked.push(request.url()); });
  await page.goto(url);
  return { page, said, asked };
}

/** The option that a chart was drawn with. */
export const chart = (page, id) => page.evaluate((id) => {
  const { series, xAxis, yAxis } = echarts.getInstanceByDom(document.querySelector(`#chart-${id} .plot`)).getOption();
  const plain = (axes) => (axes ?? []).map(({ name, type, data }) => ({ name, type, data }));
  return { series: series.map(({ name, type, data }) => ({ name, type, data })), xAxis: plain(xAxis), yAxis: plain(yAxis) };
}, id);

export const series = (option, name) => option.series.find((series) => series.name === name).data;

/** Ten thousand images: those of the repository, ten times over, as NumPy arrays. */
export async function tenThousand(directory) {
  const unpack = async (name) => gunzipSync(await readFile(fixture(`fashion-mnist/${name}`)));
  const images = (await unpack("t10k-images-idx3-ubyte.gz")).subarray(16);
  const labels = (await unpack("t10k-labels-idx1-ubyte.gz")).subarray(8);
  const npy = (shape, bytes) => {
    const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape}), }`;
    const header = Buffer.alloc(Math.ceil((text.length + 11) / 64) * 64, " ");
    header.write("\x93NUMPY\x01\x00", 0, "latin1");
    header.writeUInt16LE(header.length - 10, 8);
    header.write(text, 10);
    header[header.length - 1] = 10;
    return Buffer.concat([header, ...Array(10).fill(bytes)]);
  };
  const [x, y] = [join(directory, "x.npy"), join(directory, "y.npy")];
  await writeFile(x, npy("10000, 1, 28, 28", images));
  await writeFile(y, npy("10000,", labels));
  return `npz:${x},${y}`;
}
