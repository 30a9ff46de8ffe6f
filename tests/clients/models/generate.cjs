// Runs Amplify's own model generator on a GraphQL schema. See README.md for when and how.
const fs = require('node:fs');
const path = require('node:path');
const { generateModels } = require('@aws-amplify/graphql-generator');
const { V2Directives } = require('@aws-amplify/graphql-directives');

const OPTIONS = {
  generateIndexRules: true,
  emitAuthProvider: true,
  useExperimentalPipelinedTransformer: true,
  transformerVersion: true,
  respectPrimaryKeyAttributesOnConnectionField: true,
  generateModelsForLazyLoadAndCustomSelectionSet: true,
  addTimestampFields: true,
  handleListNullabilityTransparently: true,
  improvePluralization: false,
};
const WANTED = { javascript: 'schema.js', introspection: 'model-introspection.json' };

async function main([schemaFile, outDir]) {
  const schema = fs.readFileSync(schemaFile, 'utf8');
  const directives = V2Directives.map((directive) => directive.definition).join('\n');
  fs.mkdirSync(outDir, { recursive: true });
  for (const [target, wanted] of Object.entries(WANTED)) {
    const files = await generateModels({ schema, target, directives, ...OPTIONS });
    const [, text] = Object.entries(files).find(([name]) => path.basename(name) === wanted);
    fs.writeFileSync(path.join(outDir, wanted), text.trimEnd() + '\n');
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
