//! A batch's tokens as a rectangle, one row of cells each, for implementations that need rows of equal
//! length.

use tch::{Kind, TchError, Tensor};

use super::super::Batch;
use super::super::batch::upload;

/// Where each token stands in a rectangle of rows × length cells. A row's last cells may hold no token.
#[derive(Debug)]
pub(super) struct Rectangle {
    rows: i64,
    length: i64,
    globals: i64,
    /// None: the tokens are the cells, in order.
    places: Option<Places>,
}

#[derive(Debug)]
struct Places {
    /// `[rows · length]`, i64; a cell without a token names the first one, and what is made of it is not used.
    token_of_cell: Tensor,
    /// `[tokens]`, i64.
    cell_of_token: Tensor,
    /// `[rows, length]`, bool.
    is_token: Tensor,
}

impl Rectangle {
    pub(super) fn new(batch: &Batch) -> Result<Self, TchError> {
        let (rows, length) = (batch.rows().len() as i64, batch.length());
        let globals = batch.count_globals();
        if globals == 0 && batch.tokens() == rows * length {
            return Ok(Self { rows, length, globals, places: None });
        }
        let tokens = batch.places();
        let mut cells = vec![0; batch.tokens() as usize];
        for (cell, token) in tokens.iter().enumerate() {
            if let Some(token) = token {
                cells[*token as usize] = cell as i64;
            }
        }
        let device = batch.device();
        let filled: Vec<i64> = tokens.iter().map(|token| token.unwrap_or(0)).collect();
        let is_token: Vec<bool> = tokens.iter().map(Option::is_some).collect();
        let places = Places {
            token_of_cell: upload(&Tensor::f_from_slice(&filled)?, device)?,
            cell_of_token: upload(&Tensor::f_from_slice(&cells)?, device)?,
            is_token: upload(&Tensor::f_from_slice(&is_token)?.f_view([rows, length])?, device)?,
        };
        Ok(Self { rows, length, globals, places: Some(places) })
    }

    /// Rows.
    pub(super) fn rows(&self) -> i64 {
        self.rows
    }

    /// Cells in a row.
    pub(super) fn length(&self) -> i64 {
        self.length
    }

    /// `[tokens, …]` to `[rows, length, …]`.
    pub(super) fn cells(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        let mut shape = tokens.size();
        shape.splice(0..1, [self.rows, self.length]);
        match &self.places {
            None => tokens.f_view(shape.as_slice()),
            Some(places) => tokens.f_index_select(0, &places.token_of_cell)?.f_view(shape.as_slice()),
        }
    }

    /// `[rows, length, …]` to `[others, …]`, the tokens that are not global.
    pub(super) fn others(&self, cells: &Tensor) -> Result<Tensor, TchError> {
        let cells = cells.f_flatten(0, 1)?;
        match &self.places {
            None => Ok(cells),
            Some(places) => {
                let others = places.cell_of_token.size1()? - self.globals;
                cells.f_index_select(0, &places.cell_of_token.f_narrow(0, self.globals, others)?)
            }
        }
    }

    /// `[rows, length, …]` to `[tokens, …]`.
    pub(super) fn tokens(&self, cells: &Tensor) -> Result<Tensor, TchError> {
        let cells = cells.f_flatten(0, 1)?;
        match &self.places {
            None => Ok(cells),
            Some(places) => cells.f_index_select(0, &places.cell_of_token),
        }
    }

    /// True for cells with a token, `[rows, length]`; none if all have one.
    pub(super) fn occupied(&self) -> Option<&Tensor> {
        let places = self.places.as_ref()?;
        (places.cell_of_token.numel() < places.token_of_cell.numel()).then_some(&places.is_token)
    }

    /// True for cells with a token that is not global, `[rows, length]`, bool.
    pub(super) fn holds_other(&self, batch: &Batch) -> Result<Tensor, TchError> {
        match &self.places {
            None => Tensor::f_ones([self.rows, self.length], (Kind::Bool, batch.device())),
            Some(places) => {
                let token = places.token_of_cell.f_view([self.rows, self.length])?;
                token.f_greater_equal(self.globals)?.f_logical_and(&places.is_token)
            }
        }
    }
}
