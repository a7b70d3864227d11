import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: "src/documents/*.graphql",
  generates: {
    "src/gql/": {
      preset: "client",
      config: {
        // Texts, so that the page carries no parser.
        documentMode: "string",
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { DateTime: "string", EventCursor: "string", NameOrNumber: "string | number", _Any: "unknown" },
      },
      presetConfig: { fragmentMasking: false },
    },
  },
};

export default config;
