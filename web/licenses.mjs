// Prints the licences of the packages in the page.
import { readFileSync, readdirSync } from "node:fs";

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
for (const name of Object.keys(dependencies).sort()) {
  const folder = `node_modules/${name}`;
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = readFileSync(`${folder}/${file}`, "utf8").replace(/[ \t\r]+$/gm, "").trim();
  console.log(`${name} ${version}\n\n${text}\n`);
}
