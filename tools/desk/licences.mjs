// The licence of every package that went into the bundles, told by what esbuild says it read.
import {readFileSync, readdirSync} from 'node:fs';

const packages = new Set();
for (const file of process.argv.slice(2)) {
  for (const input of Object.keys(JSON.parse(readFileSync(file)).inputs)) {
    const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
}
for (const name of [...packages].sort()) {
  const folder = `node_modules/${name}`;
  const {version, license} = JSON.parse(readFileSync(`${folder}/package.json`));
  const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
  if (!file) throw new Error(`${name} has no licence`);
  console.log(`${name} ${version} (${license})\n\n${readFileSync(`${folder}/${file}`, 'utf8').trim()}\n\n${'-'.repeat(72)}\n`);
}
