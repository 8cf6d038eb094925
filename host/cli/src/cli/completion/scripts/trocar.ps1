# PowerShell completion of trocar. For this shell: trocar completion powershell | Out-String | Invoke-Expression
# For all: add that line to $PROFILE. Needs PowerShell 7.3, which passes empty words on.

Register-ArgumentCompleter -Native -CommandName trocar -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition })
    $words = @($elements | Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
    if ($wordToComplete -eq '') { $words += '' }
    $answer = @(& $elements[0].Extent.Text __complete @words 2>$null)
    foreach ($line in $answer) {
        if ($line -match '^:\d+$' -or $line -eq '') { continue }
        $value, $help = $line -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
