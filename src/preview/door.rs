//! The preview in the browser's hands: bytes and JSON in, JSON out.

use wasm_bindgen::prelude::wasm_bindgen;

/// A downloaded snapshot. Errors are texts that say what is wrong.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Preview(super::Preview);

#[wasm_bindgen]
impl Preview {
    /// Reads a board.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    #[wasm_bindgen(constructor)]
    pub fn open(board: Vec<u8>) -> Result<Self, String> {
        super::Preview::open(board).map(Self).map_err(|damage| damage.to_string())
    }

    /// Takes in a viewer's taste pack, or none; says whether tastes for this board are known.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn seat(&mut self, tastes: Option<Vec<u8>>) -> Result<bool, String> {
        self.0.seat(tastes).map_err(|damage| damage.to_string())
    }

    /// Takes in the pulse to order by, or none.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn beat(&mut self, pulse: Option<Vec<u8>>) -> Result<(), String> {
        self.0.beat(pulse).map_err(|damage| damage.to_string())
    }

    /// The published weights as JSON.
    pub fn weights(&self) -> String {
        serde_json::to_string(&self.0.weights()).unwrap_or_default()
    }

    /// The tastes as JSON that the surfaces for a question as JSON are ordered by.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn tastes(&self, question: &str) -> Result<String, String> {
        serde_json::from_str(question).map(|question| self.0.tastes(&question)).map_err(|error| error.to_string())
    }

    /// Whether province and class of device make a difference to viewers without tastes.
    #[wasm_bindgen(js_name = tellsContextsApart)]
    pub fn tells_contexts_apart(&self) -> bool {
        self.0.tells_contexts_apart()
    }

    /// Every product of the board as a JSON array.
    pub fn products(&self) -> String {
        String::from_utf8(self.0.products()).unwrap_or_default()
    }

    /// The surfaces as JSON for a question as JSON.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn arrange(&mut self, question: &str) -> Result<String, String> {
        let question = serde_json::from_str(question).map_err(|error| error.to_string())?;
        String::from_utf8(self.0.arrange(&question)).map_err(|error| error.to_string())
    }
}
